using System.Reflection;
using PCache.Core.Indexing;
using PCache.Core.Tests.Support;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// What the checks have in common: sectors that tell which write they came from, and a look inside the engine.
/// </summary>
internal static class Small
{
    public const int Sector = Patterns.Sector;

    /// <summary>Writes whole sectors as write <paramref name="id"/>.</summary>
    public static void Put(this PCacheDevice device, long offset, long id, int sectors = 1, bool forced = false) =>
        device.Write(offset, Patterns.Make(offset, sectors * Sector, id), forced ? WriteDurability.ForceUnitAccess
            : WriteDurability.Normal);

    /// <summary>Which write a sector of the device came from; -1: of none, or torn.</summary>
    public static long IdAt(this IBlockDevice device, long offset)
    {
        var bytes = new byte[Sector];
        Assert.Equal(Sector, device.Read(offset, bytes));
        return Patterns.IdOf(bytes, offset);
    }

    /// <summary>Which write a sector of the backing came from, without a call.</summary>
    public static long IdAt(this SimulatedDisk backing, long offset) =>
        Patterns.IdOf(backing.Peek(offset, Sector), offset);

    /// <summary>Asserts which write a sector of the device came from.</summary>
    public static void AssertIs(IBlockDevice device, long offset, long id) => Assert.Equal(id, device.IdAt(offset));

    /// <summary>Write-back begins at once.</summary>
    public static PCacheOptions Quick(PCacheOptions options) => options with { WritebackDelay = TimeSpan.Zero };

    /// <summary>Runs an action once, at the first matching call of the backing.</summary>
    public static Action<DiskCall> Once(DiskOperation call, Action action)
    {
        bool done = false;
        return e =>
        {
            if (!done && e.Operation == call)
            {
                done = true;
                action();
            }
        };
    }

    /// <summary>Runs an action before every drain of a region.</summary>
    public static void OnDrain(this SimulatedPmem region, Action action) => region.BeforeEvent = e =>
    {
        if (e == PmemEvent.Drain)
        {
            action();
        }
    };

    public static ShardedIndex IndexOf(PCacheDevice device) => device.Internals.Store.Index;

    public static object Field(object of, string name) =>
        of.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)!.GetValue(
            of)!;

    /// <summary>Steps without any end in sight are an error.</summary>
    public static TimeSpan Rest(PCacheDevice device, int limit = 5000)
    {
        for (int i = 0; i < limit; i++)
        {
            TimeSpan wait = device.RunMaintenanceStep();
            if (wait != TimeSpan.Zero)
            {
                return wait;
            }
        }

        throw new InvalidOperationException("Maintenance never comes to rest.");
    }
}
