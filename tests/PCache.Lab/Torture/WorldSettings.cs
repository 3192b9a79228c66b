using PCache.Core;
using PCache.Core.Primitives;

namespace PCache.Lab.Torture;

/// <summary>Everything about a simulated machine that a script doesn't say. Keeps true: equal settings and equal scripts make equal runs.</summary>
internal sealed record WorldSettings
{
    private const int Stripe = 4 << 20;

    public int Seed { get; init; } = 1;

    public int Segments { get; init; } = 6;

    /// <summary>64 KiB makes the compact geometry; 16 MiB here means Linux's own.</summary>
    public int SegmentBytes { get; init; } = 64 << 10;

    public bool PayloadCrc { get; init; } = true;

    public bool DrainIsCheap { get; init; } = true;

    public int BlockSize { get; init; } = 1;

    public bool CanResize { get; init; }

    public bool CanDiscard { get; init; }

    public bool CacheReads { get; init; } = true;

    public int Cores { get; init; } = 2;

    public int LogReserveSegments { get; init; } = 2;

    public int GcPercent { get; init; } = 70;

    public int WritebackDelayMs { get; init; } = 1000;

    public int KsetTimeoutMs { get; init; } = 500;

    public int WritebackGroupBytes { get; init; } = 64 << 10;

    /// <summary>Whether the region held another cache before, which the format goes over.</summary>
    public bool Aged { get; init; }

    /// <summary>How long that cache lived: writes for each of its segments. With few of them its log is still where it began.</summary>
    public int AgedTurns { get; init; } = 10;

    /// <summary>Blocks of the fingerprint that a close leaves; 0: none.</summary>
    public int FingerprintBlocks { get; init; } = 4;

    /// <summary>Whether each write that has returned survives a kill.</summary>
    public bool PersistWrites { get; init; }

    /// <summary>Whether a write of whole sectors may come in the middle of a write over the same ones: then either may win.</summary>
    public bool NestsOverlaps { get; init; }

    /// <summary>Bytes beyond a stripe and some sectors that the device begins with.</summary>
    public int OddBytes { get; init; }

    /// <summary>What the backing alone is worth.</summary>
    public BackingConsistency Consistency { get; init; }

    public long Length => Stripe + (24 << 10) + OddBytes;

    public long RegionBytes => 20480 + ((long)Segments * SegmentBytes);

    /// <summary>Three areas: the begin, around the end of the first stripe, around the end of the device.</summary>
    public static Universe Universe => new((0, 24), ((Stripe / 512) - 8, 16), ((Stripe + (16 << 10)) / 512, 24));

    /// <summary>Behind the last of these areas.</summary>
    public const long UniverseEnd = Stripe + (28 << 10);

    /// <summary>Settings drawn from a seed.</summary>
    public static WorldSettings FromSeed(int seed)
    {
        var random = new Random(seed);
        bool resize = random.Next(4) == 0;
        bool linux = random.Next(64) == 0;
        return new WorldSettings
        {
            Seed = seed,
            Segments = linux ? 4 : random.Next(4) == 0 ? 17 : 5 + random.Next(4),
            SegmentBytes = linux ? PCacheOptions.LinuxSegmentSizeBytes : 64 << 10,
            PayloadCrc = random.Next(3) > 0,
            DrainIsCheap = random.Next(3) > 0,
            BlockSize = resize ? 1 : new[] { 1, 512, 4096 }[random.Next(3)],
            CanResize = resize,
            CanDiscard = random.Next(2) == 0,
            CacheReads = random.Next(4) > 0,
            Cores = 1 + random.Next(3),
            LogReserveSegments = linux ? 1 : 1 + random.Next(2),
            GcPercent = random.Next(2) * 70,
            WritebackDelayMs = random.Next(3) * 1000,
            KsetTimeoutMs = 100 + random.Next(1000),
            OddBytes = random.Next(2) * 300,
            FingerprintBlocks = random.Next(3) * 8,
        } is var drawn && drawn.BlockSize == 4096 ? drawn with { OddBytes = 0 } : drawn;
    }

    /// <summary>The device's options on a clock.</summary>
    public PCacheOptions Options(VirtualClock clock) => MachineClock.On(new PCacheOptions
    {
        SegmentSizeBytes = SegmentBytes == PCacheOptions.LinuxSegmentSizeBytes ? null : SegmentBytes,
        PayloadCrc = PayloadCrc,
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = clock,
        WritebackDelay = TimeSpan.FromMilliseconds(WritebackDelayMs),
        KsetTimeout = TimeSpan.FromMilliseconds(KsetTimeoutMs),
        WritebackGroupBytes = WritebackGroupBytes,
        WritebackConcurrency = 1,
        BackingConsistency = Consistency,
        CheckpointBytes = WritebackGroupBytes,
        LogReserveSegments = LogReserveSegments,
        GcThresholdPercent = GcPercent,
        CacheReads = CacheReads,
        PersistOn = PersistWrites ? PersistOn.Write : PersistOn.Flush,
        BackingIdentity = Aged ? new Guid(2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) : Guid.Empty,
        OverwriteExisting = Aged,
        BackingFingerprintBlocks = FingerprintBlocks,
        LeaveRegionOpen = true,
        LeaveBackingOpen = true,
    }, new Machine { Chance = Chance.FromSeed(Seed, Cores) });

    /// <summary>The backing, with the disk for its journal where there is one.</summary>
    public SimulatedDisk MakeDisk(VirtualClock clock) => new(Length, DiskOptions(clock))
    {
        Companion = Consistency == BackingConsistency.Checkpoint ? new SimulatedDisk(0, new SimulatedDiskOptions { BlockSize = Math.Max(512, BlockSize), CanResize = true, Clock = clock }) : null,
    };

    /// <summary>The same options in front of a disk: its companion has the journal.</summary>
    public static PCacheOptions InFrontOf(SimulatedDisk disk, PCacheOptions options) => options with { CheckpointJournal = disk.Companion };

    public SimulatedDiskOptions DiskOptions(VirtualClock clock) => new() { BlockSize = BlockSize, CanResize = CanResize, CanDiscard = CanDiscard, Clock = clock };
}
