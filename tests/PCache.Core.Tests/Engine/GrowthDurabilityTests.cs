using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>Keys beyond the end that the backing has durably are never alone after a power cut: its length is durable
/// before them.</summary>
public sealed class GrowthDurabilityTests
{
    private const int Page = 4096;

    /// <summary>The length goes the way of the data: into the log first.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Neither_growth_nor_the_flush_after_it_calls_the_backing(bool asynchronous)
    {
        using var cache = Make();
        int calls = 0;
        cache.Backing.BeforeCall = _ => calls++;
        for (int i = 1; i <= 20; i++)
        {
            Grow(cache.Device, asynchronous, i);
            await Flush(cache.Device, asynchronous);
        }

        cache.Device.SetLength(1 << 20);
        await cache.Device.SetLengthAsync(2 << 20);
        await Flush(cache.Device, asynchronous);
        Assert.Equal(0, calls);
        cache.Backing.BeforeCall = null;
        Assert.Equal(2 * Page, cache.Backing.Length);
        cache.Device.Drain();
        Assert.Equal(2 << 20, cache.Backing.Length);
    }

    /// <summary>A process that dies leaves a length that isn't durable; its successor sees it, and builds on
    /// it.</summary>
    [Fact]
    public void An_open_makes_the_length_durable_that_it_finds()
    {
        using var cache = Make(fingerprint: false); // making one flushes the backing
        SimulatedPmem? left = null;
        SimulatedDisk? cut = null;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Flush && cache.Backing.Length == Page && left is null)
            {
                // It dies between the truncation and the flush of it.
                left = cache.Region.AfterKill();
                cut = cache.Backing.AfterKill();
            }
        };
        cache.Device.SetLength(Page);
        cache.Backing.BeforeCall = null;
        using SimulatedPmem region = left!;
        SimulatedDisk backing = cut!;
        using PCacheDevice second = PCacheDevice.Open(region, backing, cache.Options with { LeaveBackingOpen = true });
        Assert.Equal(Page, second.Length);
        second.Write(0, Patterns.Make(0, 512, 2));
        second.Flush();
        using SimulatedPmem after = SimulatedPmem.FromImage(region.KillImage());
        using PCacheDevice third = PCacheDevice.Open(after, backing.AfterPowerCut(null), cache.Options);
        Assert.Equal(Page, third.Length);
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
        using var cache = Make(fingerprint: how != "close");
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

    private static SmallCache Make(bool fingerprint = true)
    {
        var cache = new SmallCache(8, backingBytes: 2 * Page, canResize: true, with: o =>
            o with { LeaveBackingOpen = true, BackingFingerprintBlocks = fingerprint ? 64 : 0 });
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
