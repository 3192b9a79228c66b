using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>A damaged key is durable in its new place before the dirty tail passes the old one: no power cut makes the
/// damage look like the backing's older data.</summary>
public sealed class DamagedRelogTests
{
    private const int Place = 64 << 10;
    private const int Bytes = 4096;

    [Fact]
    public void No_power_cut_while_a_damaged_key_is_logged_anew_hides_the_damage()
    {
        using var cache = new SmallCache(8, content: Patterns.Make(0, 1 << 20, 7), with: o =>
            o with { WritebackDelay = TimeSpan.Zero });
        for (int i = 0; i < 3; i++)
        {
            cache.Device.Write(i * Bytes, Patterns.Make(i * Bytes, Bytes, 1), WriteDurability.ForceUnitAccess);
        }

        cache.Device.Write(Place, Patterns.Make(Place, Bytes, 2), WriteDurability.ForceUnitAccess);
        cache.Device.Write(Place + Bytes, Patterns.Make(Place + Bytes, Bytes, 3), WriteDurability.ForceUnitAccess);
        cache.Reopen(change: image => image[image.AsSpan().IndexOf(Patterns.Make(Place, 512, 2)) + 300] ^= 0x10);
        Exception? found = null;
        int cuts = 0;
        long tail = cache.Status.DirtyTail.Offset;
        cache.Region.BeforeEvent = e =>
        {
            // After each store of a tail: what of it gets out is up to the power.
            if (e == PmemEvent.Drain)
            {
                // maintenance would take it for a failing step
                found ??= Record.Exception(() => AssertDamaged(cache, allNew: false));
                found ??= Record.Exception(() => AssertDamaged(cache, allNew: true));
                cuts++;
            }
        };
        Record.Exception(() => cache.Device.Drain());
        for (int i = 0; i < 40; i++)
        {
            cache.Device.RunMaintenanceStep();
        }

        cache.Region.BeforeEvent = null;
        Assert.Null(found);
        AssertDamaged(cache, allNew: false);
        Assert.True(cuts > 3 && cache.Status.DirtyTail.Offset != tail, "the dirty tail has passed it");
    }

    /// <summary>A part of the key has been overwritten since: what is left of it is in two pieces, each a key of its
    /// own from now on.</summary>
    [Fact]
    public void Pieces_of_a_damaged_key_are_counted_and_told_by_themselves_over_many_turns()
    {
        using var cache = new SmallCache(8, content: Patterns.Make(0, 1 << 20, 7), with: o =>
            o with { WritebackDelay = TimeSpan.Zero, GcThresholdPercent = 0 });
        cache.Device.Write(Place, Patterns.Make(Place, Bytes, 2), WriteDurability.ForceUnitAccess);
        cache.Device.Write(Place + 1024, Patterns.Make(Place + 1024, 1024, 3), WriteDurability.ForceUnitAccess);
        cache.Reopen(change: image => image[image.AsSpan().IndexOf(Patterns.Make(Place, 512, 2)) + 300] ^= 0x10);
        for (int turn = 0; turn < 120; turn++)
        {
            // A full cache too: there is always room left to log damage anew.
            cache.Device.Write(0, Patterns.Make(0, 32 << 10, turn + 10));
            cache.Device.Flush();
            if (turn % 10 == 0)
            {
                Record.Exception(() => cache.Device.Drain());
                cache.Settle();
                AssertPieces(cache.Device);
                Assert.Null(cache.Status.WritebackError);
                IntegrityAudit.Check(cache.Device, cache.Region);
            }
        }

        Record.Exception(() => cache.Device.Drain());
        Rig.AssertSame(Patterns.Make(0, 32 << 10, 129), cache.Backing.Peek(0, 32 << 10), "all else is written back");
        Rig.AssertSame(Patterns.Make(Place, 1024, 7), cache.Backing.Peek(Place, 1024), "the first piece isn't");
        Rig.AssertSame(Patterns.Make(Place + 1024, 1024, 3), cache.Backing.Peek(Place + 1024, 1024),
            "what was overwritten is");
        cache.Reopen();
        AssertPieces(cache.Device);
        IntegrityAudit.Check(cache.Device, cache.Region);

        static void AssertPieces(PCacheDevice device)
        {
            Assert.Throws<PCacheDamagedDataException>(() => { _ = device.Read(Place, new byte[512]); });
            Assert.Throws<PCacheDamagedDataException>(() => { _ = device.Read(Place + 2048, new byte[2048]); });
            byte[] found = new byte[1024];
            device.Read(Place + 1024, found);
            Rig.AssertSame(Patterns.Make(Place + 1024, 1024, 3), found, "what was overwritten");
            long damaged = device.GetStatus().DamagedRanges.Sum(range => range.LengthBytes);
            Assert.Equal(Bytes - 1024, damaged);
        }
    }

    /// <summary>The log is as full as writers may make it: damage is logged anew all the same.</summary>
    [Fact]
    public void Damage_is_logged_anew_when_writers_have_no_room_any_more()
    {
        using var cache = new SmallCache(6, content: Patterns.Make(0, 1 << 20, 7), with: o =>
            o with { WritebackDelay = TimeSpan.Zero });
        cache.Device.Write(Place, Patterns.Make(Place, Bytes, 2), WriteDurability.ForceUnitAccess);
        cache.Reopen(change: image => image[image.AsSpan().IndexOf(Patterns.Make(Place, 512, 2)) + 300] ^= 0x10);
        int taken = 0;
        while (cache.Device.Internals.Writable.Writer.Log.Room.TryReserve(1))
        {
            taken++;
        }

        Record.Exception(() => cache.Device.Drain());
        Assert.Null(cache.Status.WritebackError);
        Assert.NotEmpty(cache.Status.DamagedRanges);
        Assert.True(cache.Status.DirtyTail.Offset > 0, "the log has passed it");
        cache.Device.Internals.Writable.Writer.Log.Room.Unreserve(taken);
        IntegrityAudit.Check(cache.Device, cache.Region);
    }

    private static void AssertDamaged(SmallCache cache, bool allNew)
    {
        SimulatedPmem left = SimulatedPmem.Allocate(cache.Region.LengthBytes);
        int[] versions = new int[cache.Region.Open.Count];
        Array.Fill(versions, allNew ? 1 : 0);
        left.LoadPowerCut(cache.Region, versions);
        using PCacheDevice device = PCacheDevice.Open(left, cache.Backing.AfterPowerCut(null),
            cache.Options with { LeaveRegionOpen = false });
        Assert.Throws<PCacheDamagedDataException>(() => { _ = device.Read(Place, new byte[Bytes]); });
    }
}
