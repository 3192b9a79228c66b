namespace PCache.Core.ClientTests.Support;

/// <summary>
/// A simulated machine with a cache on it: memory and disk of PCache.Testing, and the device over them.
/// </summary>
/// <remarks>
/// Keeps true: what a crash leaves is taken from the memory first, then from the disk. So the disk may be newer than
/// the memory says, which is sound as long as no writer is at work meanwhile (write-back may go on: it only repeats
/// what the memory has as dirty), or write-back is paused.
/// </remarks>
internal sealed class Machine : IDisposable
{
    private const int SegmentBytes = 1 << 20;
    private const int HeadBytes = 20480;

    public Machine(int cacheSegments, long diskBytes, bool canResize =
        false, Func<PCacheOptions, PCacheOptions>? with = null)
        : this(SimulatedPmem.Allocate(HeadBytes + ((long)cacheSegments * SegmentBytes)),
            new SimulatedDisk(diskBytes, new SimulatedDiskOptions { CanResize = canResize, CanDiscard = true }), with)
    {
    }

    private Machine(SimulatedPmem memory, SimulatedDisk disk, Func<PCacheOptions, PCacheOptions>? with)
    {
        Memory = memory;
        Disk = disk;
        With = with;
        var options = new PCacheOptions
        {
            SegmentSizeBytes = SegmentBytes,
            PayloadCrc = true,
            WritebackDelay = TimeSpan.FromMilliseconds(20),
            LeaveRegionOpen = true
        };
        Device = PCacheDevice.OpenOrCreate(memory, disk, with is null ? options : with(options));
    }

    public SimulatedPmem Memory { get; }

    public SimulatedDisk Disk { get; }

    public PCacheDevice Device { get; }

    private Func<PCacheOptions, PCacheOptions>? With { get; }

    /// <summary>
    /// The machine as it comes up again after the process was killed now; this one goes on beside it.
    /// </summary>
    public Machine AfterKill()
    {
        SimulatedPmem memory = Memory.AfterKill();
        return new Machine(memory, Disk.AfterKill(), With);
    }

    /// <summary>The machine as it comes up again after a power cut now.</summary>
    public Machine AfterPowerCut(Random random)
    {
        SimulatedPmem memory = Memory.AfterPowerCut(random);
        return new Machine(memory, Disk.AfterPowerCut(random), With);
    }

    public void Dispose()
    {
        Device.Dispose();
        Memory.Dispose();
        Assert.Empty(Disk.Violations);
    }
}
