using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>What a truncation cut off stays off: through power cuts, kills at each call of the backing, misses that it
/// overtakes, and longer lengths afterwards.</summary>
public sealed class TruncationDurabilityTests
{
    private const int Page = 4096;
    private const byte Old = 0xAA;

    [Theory]
    [InlineData(Page, false)]
    [InlineData(Page, true)]
    [InlineData(Page + 100, false)]
    [InlineData(Page + 100, true)]
    public async Task A_truncation_that_has_returned_survives_a_power_cut(int end, bool asynchronous)
    {
        using SmallCache cache = Make();
        await SetLength(cache.Device, end, asynchronous);
        using SimulatedPmem left = SimulatedPmem.Allocate(cache.Region.LengthBytes);
        left.LoadPowerCut(cache.Region, new int[cache.Region.Open.Count]);
        using PCacheDevice after = PCacheDevice.Open(left, cache.Backing.AfterPowerCut(null), cache.Options);
        Assert.Equal(end, after.Length);
        AssertCut(after, end);
    }

    /// <summary>The backing is as long as before, or cut: in both cases the cache opens, and shows the one or the
    /// other.</summary>
    [Theory]
    [InlineData(Page, false)]
    [InlineData(Page, true)]
    [InlineData(Page + 100, false)]
    [InlineData(Page + 100, true)]
    public async Task A_kill_at_any_call_of_a_truncation_leaves_a_cache_that_opens(int end, bool asynchronous)
    {
        using SmallCache cache = Make();
        int points = 0;
        Exception? error = null;
        Action<DiskCall> check = call =>
        {
            if (call.Operation is DiskOperation.SetLength or DiskOperation.Flush)
            {
                points++;
                error ??= Record.Exception(Check); // maintenance would take it for a failing step
            }

            void Check()
            {
                using PCacheDevice killed = cache.OpenKilledCopy();
                long length = killed.Length;
                Assert.True(length == end || length == 4 * Page);
                byte[] found = Rig.ReadAll(killed);
                Assert.Equal(-1, found.AsSpan(0, end).IndexOfAnyExcept(Old));
                if (length == end)
                {
                    AssertCut(killed, end);
                }
            }
        };
        cache.Backing.BeforeCall = check;
        cache.Backing.AfterCall = check;
        await SetLength(cache.Device, end, asynchronous);
        cache.Backing.BeforeCall = cache.Backing.AfterCall = null;
        Assert.Null(error);
        Assert.True(points >= 4);
        AssertCut(cache.Device, end);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_sector_that_is_cut_in_the_middle_loses_what_the_cache_had_of_it(bool asynchronous)
    {
        const int End = Page + 100;
        using SmallCache cache = Make();
        cache.Device.Read(0, new byte[4 * Page]); // clean copies
        await SetLength(cache.Device, End, asynchronous);
        AssertCut(cache.Device, End);
    }

    /// <summary>The miss has read the sector from the backing, and the truncation comes before it puts the sector into
    /// the cache.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_miss_that_a_truncation_overtakes_brings_nothing_back(bool asynchronous)
    {
        const int End = Page + 100;
        byte[] content = new byte[4 * Page];
        content.AsSpan().Fill(Old);
        using var cache = new SmallCache(16, content: content, canResize: true);
        bool cut = false;
        cache.Backing.AfterCall = call =>
        {
            if (call.Operation == DiskOperation.Read && !cut)
            {
                cut = true;
                cache.Device.SetLength(End);
            }
        };
        byte[] found = new byte[4 * Page];
        int read = asynchronous ? await cache.Device.ReadAsync(0, found) : cache.Device.Read(0, found);
        Assert.True(cut && read >= End);
        AssertCut(cache.Device, End);
    }

    /// <summary>Bytes up to the end are the old ones, what comes back with a longer length is zeros: now, after a kill,
    /// on the backing.</summary>
    private static void AssertCut(PCacheDevice device, int end)
    {
        device.SetLength(4 * Page);
        byte[] found = Rig.ReadAll(device);
        Assert.Equal(-1, found.AsSpan(0, end).IndexOfAnyExcept(Old));
        Rig.AssertSame(new byte[(4 * Page) - end], found.AsSpan(end), "cut off and extended again");
        device.Write(4 * Page, new byte[1]);
        device.Drain();
        Assert.Equal(-1, Rig.ReadAll(device.Backing).AsSpan(end).IndexOfAnyExcept((byte)0));
    }

    private static SmallCache Make()
    {
        byte[] content = new byte[4 * Page];
        content.AsSpan().Fill(Old);
        var cache = new SmallCache(16, content: content, canResize: true, with: o =>
            o with { LeaveBackingOpen = true });
        cache.Device.Write(Page, content.AsSpan(0, 2 * Page)); // pending keys on both sides of the end
        return cache;
    }

    private static async Task SetLength(PCacheDevice device, long length, bool asynchronous)
    {
        if (asynchronous)
        {
            await device.SetLengthAsync(length);
        }
        else
        {
            device.SetLength(length);
        }
    }
}
