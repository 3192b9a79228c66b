using PCache.Core;

namespace PCache.Testing;

/// <summary>What a <see cref="CrashTest"/> runs on.</summary>
public enum CrashTestTarget
{
    /// <summary>A disk with a volatile write cache (<see cref="SimulatedDisk"/>).</summary>
    Disk,

    /// <summary>
    /// A <see cref="PCacheDevice"/> over simulated persistent memory (<see cref="SimulatedPmem"/>) in front of such a
    /// disk. Crashes hit both.
    /// </summary>
    Cache,
}

/// <summary>
/// Runs storage code through the crashes that its calls make possible: in every moment of a workload it cuts the
/// power in many ways, starts the application again on what is left, and lets it verify that every promise is kept;
/// also when the power fails again during that recovery.
/// </summary>
/// <remarks>
/// <para>
/// The workload opens the application's store on an empty device (zeros, or what <see cref="Setup"/> made of it),
/// works with it, and tells the log what it begins and what is promised. The verification opens the store on what a
/// crash left, and compares. Both are called many times, the verification also in the middle of a running workload,
/// with another device: they must share nothing but the device and the log. They must be deterministic: same calls
/// each time, one after the other.
/// </para>
/// <para>
/// Keeps true: the same test with the same seed does the same; each failure has a key that names its state without
/// seed and budgets. One call of <see cref="Run"/> or <see cref="Replay"/> at a time; different tests may run at
/// once.
/// </para>
/// </remarks>
public sealed class CrashTest
{
    /// <summary>Makes a test.</summary>
    /// <param name="workload">Opens the application's store on an empty device and works with it.</param>
    /// <param name="verify">Opens the store on what a crash left of the device, and throws if anything is wrong with
    /// it.</param>
    public CrashTest(Action<IBlockDevice, CrashTestLog> workload, Action<IBlockDevice, CrashTestLog> verify)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(verify);
        Workload = workload;
        Verify = verify;
    }

    /// <summary>Makes a test of asynchronous code. It must still make one call of the device after the other.</summary>
    /// <param name="workload">Opens the application's store on an empty device and works with it.</param>
    /// <param name="verify">Opens the store on what a crash left of the device, and throws if anything is wrong with
    /// it.</param>
    public CrashTest(Func<IBlockDevice, CrashTestLog, Task> workload, Func<IBlockDevice, CrashTestLog, Task> verify)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(verify);
        Workload = (device, log) => Task.Run(() => workload(device, log)).GetAwaiter().GetResult();
        Verify = (device, log) => Task.Run(() => verify(device, log)).GetAwaiter().GetResult();
    }

    /// <summary>
    /// What was done to the device before the workload begins: no crash comes in it, and all of it is durable. For
    /// long preparations, and for stores that have to be old. Default: nothing.
    /// </summary>
    public Action<IBlockDevice, CrashTestLog>? Setup { get; init; }

    /// <summary>What it runs on. Default: a disk.</summary>
    public CrashTestTarget Target { get; init; }

    /// <summary>Length of the disk in bytes, 0 or more. Default 1 MiB.</summary>
    public long DiskLength { get; init; } = 1 << 20;

    /// <summary>
    /// Unit of I/O of the disk in bytes, a power of two from 1 to 65,536; a workload that breaks it fails. Sectors of
    /// 512 bytes are atomic in any case. Default 1.
    /// </summary>
    public int BlockSize { get; init; } = 1;

    /// <summary>Whether the disk's length can be changed. Default false.</summary>
    public bool CanResize { get; init; }

    /// <summary>Seed of every choice. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// Most crash points of the workload that are tried; if it has more, as many are taken evenly. Default 400.
    /// </summary>
    public int MaxCrashPoints { get; init; } = 400;

    /// <summary>
    /// Most states that are tried at a crash point, 4 or more: all if there are no more, else none and all kept, a
    /// kill, single ones kept or lost, cuts in the middle, random ones. Default 24.
    /// </summary>
    public int MaxStatesPerPoint { get; init; } = 24;

    /// <summary>
    /// How many more crashes may follow the first one, each during the verification of the one before. Default 1; 0:
    /// none.
    /// </summary>
    public int MaxNestedCrashes { get; init; } = 1;

    /// <summary>
    /// About how many states of crashes during a verification are tried at most, spread over all of them. Default
    /// 4,000.
    /// </summary>
    public int MaxNestedStates { get; init; } = 4_000;

    /// <summary>
    /// Whether the workload is also run with its first call of the device failing, then its second, and so on to the
    /// last: each without effect, with half of it, and with all of it. It may throw or go on; afterwards its promises
    /// must hold, also after a crash. Default false.
    /// </summary>
    public bool FailCalls { get; init; }

    /// <summary>Most workloads that are run with a failing call. Default 600.</summary>
    public int MaxFaults { get; init; } = 600;

    /// <summary>Length in bytes of the region of a <see cref="CrashTestTarget.Cache"/>. Default 1.25 MiB.</summary>
    public long CacheLength { get; init; } = 5 << 18;

    /// <summary>
    /// Settings of a <see cref="CrashTestTarget.Cache"/>. Default: segments of 64 KiB, payload checksums, write-back
    /// half a second after a write. Maintenance, clock, concurrency and who disposes what are set by the test.
    /// </summary>
    public PCacheOptions CacheOptions { get; init; } = new()
    {
        SegmentSizeBytes = 64 << 10,
        PayloadCrc = true,
        KsetTimeout = TimeSpan.FromMilliseconds(200),
        WritebackDelay = TimeSpan.FromMilliseconds(500),
    };

    /// <summary>
    /// How much virtual time each call of the application takes on a <see cref="CrashTestTarget.Cache"/>; its timers
    /// and its write-back run in between. Default 50 ms.
    /// </summary>
    public TimeSpan TimePerCall { get; init; } = TimeSpan.FromMilliseconds(50);

    internal Action<IBlockDevice, CrashTestLog> Workload { get; }

    internal Action<IBlockDevice, CrashTestLog> Verify { get; }

    /// <summary>Runs the test, up to the first failure.</summary>
    /// <returns>What was done and found. It says so, but doesn't throw, if the application fails; see
    /// <see cref="CrashTestResult.ThrowIfFailed"/>.</returns>
    /// <exception cref="ArgumentOutOfRangeException">A setting is out of range.</exception>
    /// <exception cref="InvalidOperationException">The workload isn't deterministic.</exception>
    public CrashTestResult Run()
    {
        CheckSettings();
        using var explorer = new CrashTestExplorer(this);
        return explorer.Run();
    }

    /// <summary>
    /// Runs exactly one state, which a failure of this test (same workload, same settings but for seed and budgets)
    /// has named.
    /// </summary>
    /// <param name="key">The key of the failure, see <see cref="CrashTestFailure.Key"/>.</param>
    /// <returns>The same failure, if the code is still the same; no failure, if it is mended.</returns>
    /// <exception cref="FormatException">The key is no key.</exception>
    /// <exception cref="ArgumentException">The key is that of another test: there is no such state here.</exception>
    public CrashTestResult Replay(string key)
    {
        ArgumentNullException.ThrowIfNull(key);
        CheckSettings();
        var parsed = CrashKey.Parse(key);
        using var explorer = new CrashTestExplorer(this);
        return parsed.Target == Target
            ? explorer.Replay(parsed)
            : throw new ArgumentException($"The key '{key}' is that of a test with another target.", nameof(key));
    }

    private void CheckSettings()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(DiskLength);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxCrashPoints);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxStatesPerPoint, 4);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxNestedCrashes);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxNestedStates);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxFaults);
        ArgumentOutOfRangeException.ThrowIfNegative(TimePerCall.Ticks, nameof(TimePerCall));
    }
}
