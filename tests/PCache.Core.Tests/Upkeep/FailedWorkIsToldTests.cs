using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Upkeep;

/// <summary>
/// A call that has changed something and then fails has told the maintenance all the same: what it logged late is
/// logged within <see cref="PCacheOptions.KsetTimeout"/>, on an idle
/// device too. Every way of writing, synchronous and asynchronous.
/// </summary>
public sealed class FailedWorkIsToldTests
{
    /// <summary>
    /// A whole sector, which is stored, and a part of the next one, which has to be completed from the backing, which
    /// fails.
    /// </summary>
    private const int LengthBytes = 512 + 100;

    public enum Way
    {
        Write,
        Forced,
        Zeroes,
        Batch,
        Stream,
    }

    public static TheoryData<Way, bool> Calls
    {
        get
        {
            var data = new TheoryData<Way, bool>();
            foreach (Way call in Enum.GetValues<Way>())
            {
                data.Add(call, false);
                data.Add(call, true);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task What_a_failed_call_has_written_is_logged_in_time(Way call, bool asynchronous)
    {
        using var cache = new SmallCache(with: o => o with
        {
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
            KsetTimeout = TimeSpan.FromMilliseconds(10),
            StartWritebackPaused = true,
        });
        cache.Backing.FailWhere(e => e.Operation == DiskOperation.Read ? new IOException("unreadable") : null);
        await Task.Delay(100); // the device's own thread has gone to sleep, without end
        Exception? thrown = await Record.ExceptionAsync(() => Make(cache.Device, call, asynchronous));
        Assert.IsAssignableFrom<IOException>(thrown);
        Assert.Equal(1, cache.Status.DirtyKeys);
        Eventually.True(() => cache.Status.PendingKeys == 0, "the key is logged");
    }

    private static async Task Make(PCacheDevice device, Way call, bool asynchronous)
    {
        byte[] data = Patterns.Make(0, 1024, 1)[..LengthBytes];
        BlockWrite[] batch = [new BlockWrite(0, data.AsMemory(0, 512)), new BlockWrite(512, data.AsMemory(512))];
        WriteDurability durability = call == Way.Forced ? WriteDurability.ForceUnitAccess : WriteDurability.Normal;
        switch (call, asynchronous)
        {
            case (Way.Write or Way.Forced, false):
                device.Write(0, data, durability);
                break;
            case (Way.Write or Way.Forced, true):
                await device.WriteAsync(0, data, durability);
                break;
            case (Way.Zeroes, false):
                device.WriteZeroes(0, LengthBytes);
                break;
            case (Way.Zeroes, true):
                await device.WriteZeroesAsync(0, LengthBytes);
                break;
            case (Way.Batch, false):
                device.WriteBatch(batch);
                break;
            case (Way.Batch, true):
                await device.WriteBatchAsync(batch);
                break;
            case (Way.Stream, false):
                device.OpenStream().Write(data);
                break;
            default:
                await device.OpenStream().WriteAsync(data);
                break;
        }
    }
}
