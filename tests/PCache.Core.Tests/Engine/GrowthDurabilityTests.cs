using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>Keys beyond the end that the backing has durably are never alone after a power cut: its length is durable
/// before them.</summary>
public sealed class GrowthDurabilityTests
{
    private const int Page = 4096;

    /// <summary>A growth that comes while a flush of the backing is under way isn't covered by it.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_growth_during_a_flush_of_the_backing_is_flushed_by_the_next(bool asynchronous)
    {
        using var cache = Make();
        Grow(cache.Device, asynchronous, 1);
        bool grown = false;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Flush && !grown)
            {
                grown = true;
                Grow(cache.Device, asynchronous, 2);
            }
        };
        await Flush(cache.Device, asynchronous);
        Assert.True(grown);
        long flushes = cache.Backing.Calls(DiskOperation.Flush);
        cache.Backing.BeforeCall = null;
        await Flush(cache.Device, asynchronous);
        Assert.True(cache.Backing.Calls(DiskOperation.Flush) > flushes, "the second growth was never flushed");
        await Flush(cache.Device, asynchronous);
        Assert.Equal(flushes + 1, cache.Backing.Calls(DiskOperation.Flush));
    }

    /// <summary>A process that dies leaves a length that isn't durable; its successor sees it, and builds on
    /// it.</summary>
    [Fact]
    public void An_open_makes_the_length_durable_that_it_finds()
    {
        using var cache = Make();
        SimulatedPmem? left = null;
        SimulatedDisk? grown = null;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Flush && left is null)
            {
                // It dies between the growth and the flush of it.
                left = cache.Region.AfterKill();
                grown = cache.Backing.AfterKill();
            }
        };
        cache.Device.Write(cache.Device.Length, Patterns.Make(0, Page, 1));
        cache.Backing.BeforeCall = null;
        using SimulatedPmem region = left!;
        SimulatedDisk backing = grown!;
        Assert.Equal(3 * Page, backing.Length);
        using PCacheDevice second = PCacheDevice.Open(region, backing, cache.Options with { LeaveBackingOpen = true });
        second.Write(2 * Page, Patterns.Make(0, Page, 2));
        second.Flush();
        using SimulatedPmem cut = SimulatedPmem.FromImage(region.KillImage());
        using PCacheDevice third = PCacheDevice.Open(cut, backing.AfterPowerCut(null), cache.Options);
        Assert.Equal(3 * Page, third.Length);
        byte[] found = new byte[Page];
        third.Read(2 * Page, found);
        Rig.AssertSame(Patterns.Make(0, Page, 2), found, "flushed by the second owner");
    }

    /// <summary>
    /// No caller flushes: the keys are logged by the clock, and the length must have gone before them.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Keys_that_are_logged_by_the_clock_have_their_length(bool asynchronous)
    {
        using var cache = new SmallCache(8, backingBytes: 2 * Page, canResize: true, with: o =>
            o with { StartWritebackPaused = true, LeaveBackingOpen = true });
        cache.Backing.Flush();
        Grow(cache.Device, asynchronous, 1);
        cache.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(0, cache.Status.PendingKeys);
        using SimulatedPmem left = SimulatedPmem.Allocate(cache.Region.LengthBytes);
        left.LoadPowerCut(cache.Region, new int[cache.Region.Open.Count]);
        using PCacheDevice after = PCacheDevice.Open(left, cache.Backing.AfterPowerCut(null), cache.Options);
        Assert.Equal(3 * Page, after.Length);
    }

    /// <summary>Each way to make data beyond the old end durable, and then the power fails.</summary>
    [Theory]
    [InlineData("flush")]
    [InlineData("flush async")]
    [InlineData("force")]
    [InlineData("force async")]
    [InlineData("zeroes")]
    [InlineData("zeroes async")]
    [InlineData("batch")]
    [InlineData("batch async")]
    [InlineData("length")]
    [InlineData("length async")]
    [InlineData("close")]
    public async Task What_is_acknowledged_beyond_the_old_end_survives_a_power_cut(string how)
    {
        using var cache = Make(drained: how == "close");
        byte[] data = how.StartsWith("zeroes", StringComparison.Ordinal) ? new byte[Page] : Patterns.Make(0, Page, 1);
        PCacheDevice device = cache.Device;
        BlockWrite[] batch = [new(2 * Page, data)];
        switch (how)
        {
            case "flush":
                device.Write(2 * Page, data);
                device.Flush();
                break;
            case "flush async":
                await device.WriteAsync(2 * Page, data);
                await device.FlushAsync();
                break;
            case "force":
                device.Write(2 * Page, data, WriteDurability.ForceUnitAccess);
                break;
            case "force async":
                await device.WriteAsync(2 * Page, data, WriteDurability.ForceUnitAccess);
                break;
            case "zeroes":
                device.WriteZeroes(2 * Page, Page, WriteDurability.ForceUnitAccess);
                break;
            case "zeroes async":
                await device.WriteZeroesAsync(2 * Page, Page, WriteDurability.ForceUnitAccess);
                break;
            case "batch":
                device.WriteBatch(batch, WriteDurability.ForceUnitAccess);
                break;
            case "batch async":
                await device.WriteBatchAsync(batch, WriteDurability.ForceUnitAccess);
                break;
            case "length":
                device.SetLength(3 * Page);
                device.Write(2 * Page, data);
                device.Flush();
                break;
            case "length async":
                await device.SetLengthAsync(3 * Page);
                await device.WriteAsync(2 * Page, data, WriteDurability.ForceUnitAccess);
                break;
            default:
                device.Write(2 * Page, data);
                device.Dispose();
                break;
        }

        using SimulatedPmem left = SimulatedPmem.Allocate(cache.Region.LengthBytes);
        left.LoadPowerCut(cache.Region, new int[cache.Region.Open.Count]); // all that may be lost is
        using PCacheDevice after = PCacheDevice.Open(left, cache.Backing.AfterPowerCut(null), cache.Options);
        Assert.Equal(3 * Page, after.Length);
        byte[] found = new byte[Page];
        after.Read(2 * Page, found);
        Rig.AssertSame(data, found, how);
    }

    private static void Grow(PCacheDevice device, bool asynchronous, int id)
    {
        byte[] data = Patterns.Make(0, Page, id);
        if (asynchronous)
        {
            device.WriteAsync(device.Length, data).AsTask().Wait(TestRuns.HangLimit);
        }
        else
        {
            device.Write(device.Length, data);
        }
    }

    private static SmallCache Make(bool drained = false)
    {
        var cache = new SmallCache(8, backingBytes: 2 * Page, canResize: true, with: o =>
            o with { LeaveBackingOpen = true, BackingFingerprintBlocks = drained ? 0 : 64 });
        cache.Backing.Flush();
        return cache;
    }

    private static async Task Flush(PCacheDevice device, bool asynchronous)
    {
        if (asynchronous)
        {
            await device.FlushAsync();
        }
        else
        {
            device.Flush();
        }
    }
}
