namespace PCache.Core.Tests.Support;

/// <summary>
/// A compact cache over memory and a scripted backing, with a clock of its own. Keeps true: with manual maintenance
/// nothing happens unless the test says so.
/// </summary>
internal sealed class SmallCache : IDisposable
{
    private const int StepLimit = 100_000;

    public SmallCache(
        int segments = 16, long backingBytes = 1 << 20, int blockSize = 1, bool canResize =
            false, Func<PCacheOptions, PCacheOptions>? with = null, byte[]? content = null, bool canDiscard = false)
    {
        Region = SimulatedPmem.Allocate(Rig.RegionLength(segments));
        Backing = content is null
            ? Disks.Make(backingBytes, blockSize, canResize, canDiscard: canDiscard)
            : Disks.Make(content, blockSize, canResize, canDiscard: canDiscard);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = true,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = Clock,
            LeaveRegionOpen = true,
        };
        Options = with is null ? options : with(options);
        Device = PCacheDevice.Create(Region, Backing, Options);
    }

    public VirtualClock Clock { get; } = new();

    public SimulatedPmem Region { get; private set; }

    public SimulatedDisk Backing { get; private set; }

    public PCacheOptions Options { get; }

    public PCacheDevice Device { get; private set; }

    public PCacheStatus Status => Device.GetStatus();

    /// <summary>Runs maintenance until it wants to wait.</summary>
    public TimeSpan Settle()
    {
        for (int i = 0; i < StepLimit; i++)
        {
            TimeSpan wait = Device.RunMaintenanceStep();
            if (wait != TimeSpan.Zero)
            {
                return wait;
            }
        }

        throw new InvalidOperationException("Maintenance never comes to rest.");
    }

    /// <summary>Moves the clock, then runs maintenance until it wants to wait.</summary>
    public TimeSpan Advance(TimeSpan by)
    {
        Settle();
        Clock.Advance(by);
        return Settle();
    }

    /// <summary>Runs maintenance and moves the clock until the condition holds.</summary>
    public void AdvanceUntil(Func<bool> condition, string what)
    {
        for (int i = 0; i < 1000; i++)
        {
            Settle();
            if (condition())
            {
                return;
            }

            Clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Fail($"never came true in 1000 virtual seconds: {what}");
    }

    /// <summary>Closes in good order and opens again; with a new backing where one is given.</summary>
    public void Reopen(Func<PCacheOptions, PCacheOptions>? with = null, Action<byte[]>? change =
        null, SimulatedDisk? backing = null)
    {
        Device.Dispose();
        byte[] image = Region.KillImage();
        Region.Dispose();
        change?.Invoke(image);
        Region = SimulatedPmem.FromImage(image);
        Backing = backing ?? Backing.AfterKill();
        Device = PCacheDevice.Open(Region, Backing, with is null ? Options : with(Options));
    }

    /// <summary>What a kill at this moment leaves, opened.</summary>
    public PCacheDevice OpenKilledCopy(Func<PCacheOptions, PCacheOptions>? with = null, bool damagedPayload = false)
    {
        byte[] image = Region.KillImage();
        ImageChecks.AssertSound(image, damagedPayload: damagedPayload);
        PCacheOptions options = Options with { LeaveRegionOpen = false };
        return PCacheDevice.Open(
            Rig.Load(image), Backing.AfterKill(), with is null ? options : with(options));
    }

    public void Dispose()
    {
        Backing.BeforeCall = null;
        Device.Dispose();
        Region.Dispose();
        Assert.Empty(Backing.Violations);
    }
}
