using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.DependencyInjection;

/// <summary>
/// Settings of a cache that a container opens: where it is, what it stands in front of, and what there is to set of
/// <see cref="PCacheOptions"/> and <see cref="PmemFileOptions"/>.
/// </summary>
/// <remarks>
/// Mutable until the cache is opened, read once then; not thread-safe. Checked as a whole at the start of a host, or
/// else when the cache is first asked for: <c>OptionsValidationException</c> names each setting that is wrong, and
/// what is allowed. <see cref="PCacheOptions.LoggerFactory"/> and <see cref="PCacheOptions.TimeProvider"/> come from
/// the container, where it has them.
/// </remarks>
public sealed class PCacheSettings
{
    /// <summary>
    /// Path of the cache file, or of a block device on persistent memory. A relative one is relative to the current
    /// folder. Needed, unless <see cref="RegionFactory"/> is set.
    /// </summary>
    public string? CachePath { get; set; }

    /// <summary>
    /// Length of a new cache file in bytes: needed where <see cref="CreateIfMissing"/> may make one; at least
    /// <see cref="LogReserveSegments"/> + 2 segments and 20 KiB. An existing file keeps its own.
    /// </summary>
    public long? CacheLengthBytes { get; set; }

    /// <summary>
    /// Whether a missing cache is made: a file that isn't there or is empty, a region of nothing but zeros. Anything
    /// else is opened or refused, never formatted. Default true; false: a cache that isn't there is an error. Without
    /// meaning where <see cref="ReadOnly"/> is set.
    /// </summary>
    public bool CreateIfMissing { get; set; } = true;

    /// <summary>
    /// Path of what the cache stands in front of: an existing file or, on Linux, a block device. Needed, unless
    /// <see cref="BackingFactory"/> is set.
    /// </summary>
    public string? BackingPath { get; set; }

    /// <summary>
    /// Makes what the cache stands in front of, instead of <see cref="BackingPath"/>; for a stream,
    /// <c>services =&gt; BlockDevice.FromStream(...)</c>. Called at each try to open, on any thread. The cache owns
    /// the result, unless <see cref="LeaveBackingOpen"/> is set. Not from configuration.
    /// </summary>
    public Func<IServiceProvider, IBlockDevice>? BackingFactory { get; set; }

    /// <summary>
    /// Makes the region, instead of <see cref="CachePath"/>. Called at each try to open, on any thread. The cache
    /// owns the result, unless <see cref="LeaveRegionOpen"/> is set. Not from configuration.
    /// </summary>
    public Func<IServiceProvider, PmemRegion>? RegionFactory { get; set; }

    /// <summary>
    /// The last word on the options that the cache is opened with, for what has no setting here
    /// (<see cref="PCacheOptions.OpenProgress"/>, say): given the options made of these settings, returns those to
    /// use. Not from configuration.
    /// </summary>
    public Func<IServiceProvider, PCacheOptions, PCacheOptions>? ConfigureOptions { get; set; }

    /// <summary>
    /// Whether a host opens the cache before it starts any service, so that what is wrong fails the start. Default
    /// true; false: opened when first asked for.
    /// </summary>
    public bool OpenOnStart { get; set; } = true;

    /// <inheritdoc cref="PmemFileOptions.Persistence"/>
    public Persistence Persistence { get; set; } = Persistence.PageCache;

    /// <inheritdoc cref="PmemFileOptions.PowerSafe"/>
    public bool PowerSafe { get; set; }

    /// <inheritdoc cref="PmemFileOptions.Prefault"/>
    public bool Prefault { get; set; }

    /// <summary>
    /// Consent to a cache file and a backing (that of <see cref="BackingPath"/>) on a file system that gives no locks
    /// (see <see cref="PmemFileOptions.AllowWithoutLock"/> and <see cref="FileBackingOptions.AllowWithoutLock"/>).
    /// </summary>
    public bool AllowWithoutLock { get; set; }

    /// <summary>
    /// Whether cache and backing are opened for reading only, and neither is changed in any way. The cache must be
    /// there.
    /// </summary>
    public bool ReadOnly { get; set; }

    /// <inheritdoc cref="PCacheOptions.SegmentSizeBytes"/>
    public int? SegmentSizeBytes { get; set; }

    /// <inheritdoc cref="PCacheOptions.PayloadCrc"/>
    public bool? PayloadCrc { get; set; }

    /// <inheritdoc cref="PCacheOptions.GcThresholdPercent"/>
    public int? GcThresholdPercent { get; set; }

    /// <inheritdoc cref="PCacheOptions.Label"/>
    public string? Label { get; set; }

    /// <inheritdoc cref="PCacheOptions.BackingIdentity"/>
    public Guid BackingIdentity { get; set; }

    /// <summary>
    /// Consent to a backing that isn't the bound one, or was changed meanwhile (see
    /// <see cref="PCacheOptions.RebindBacking"/>). Meant for one start: left on, it protects from nothing.
    /// </summary>
    public bool RebindBacking { get; set; }

    /// <inheritdoc cref="PCacheOptions.BackingFingerprintBlocks"/>
    public int BackingFingerprintBlocks { get; set; } = 16;

    /// <inheritdoc cref="PCacheOptions.CompareBackingAfterCrash"/>
    public bool CompareBackingAfterCrash { get; set; } = true;

    /// <summary>
    /// Consent to open a cache in which acknowledged writes are already lost (see
    /// <see cref="PCacheOptions.AcceptLostWrites"/>). Meant for one start.
    /// </summary>
    public bool AcceptLostWrites { get; set; }

    /// <inheritdoc cref="PCacheOptions.VerifyReads"/>
    public bool VerifyReads { get; set; } = true;

    /// <inheritdoc cref="PCacheOptions.CacheReads"/>
    public bool CacheReads { get; set; } = true;

    /// <summary>
    /// Longest time that a key stays unlogged without a flush: above zero, at most a day. Default 1 s.
    /// </summary>
    public TimeSpan KsetTimeout { get; set; } = TimeSpan.FromSeconds(1);

    /// <inheritdoc cref="PCacheOptions.PersistOn"/>
    public PersistOn PersistOn { get; set; }

    /// <summary>
    /// How long write-back waits after the first dirty key before it begins: zero to 30 days. Default 5 s.
    /// </summary>
    public TimeSpan WritebackDelay { get; set; } = TimeSpan.FromSeconds(5);

    /// <inheritdoc cref="PCacheOptions.StartWritebackPaused"/>
    public bool StartWritebackPaused { get; set; }

    /// <inheritdoc cref="PCacheOptions.WritebackConcurrency"/>
    public int WritebackConcurrency { get; set; } = 8;

    /// <inheritdoc cref="PCacheOptions.WritebackGroupBytes"/>
    public int WritebackGroupBytes { get; set; } = 64 << 20;

    /// <inheritdoc cref="PCacheOptions.BackingConsistency"/>
    public BackingConsistency? BackingConsistency { get; set; }

    /// <inheritdoc cref="PCacheOptions.CheckpointJournalPath"/>
    public string? CheckpointJournalPath { get; set; }

    /// <inheritdoc cref="PCacheOptions.CheckpointBytes"/>
    public int CheckpointBytes { get; set; } = 64 << 20;

    /// <inheritdoc cref="PCacheOptions.CheckpointInterval"/>
    public TimeSpan CheckpointInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long a write waits for room before it fails with <see cref="PCacheFullException"/>: zero to 30 days.
    /// Default: <see cref="Timeout.InfiniteTimeSpan"/>, without limit (in configuration, <c>-00:00:00.001</c> or
    /// <c>infinite</c>).
    /// </summary>
    public TimeSpan SpaceTimeout { get; set; } = Timeout.InfiniteTimeSpan;

    /// <inheritdoc cref="PCacheOptions.LogReserveSegments"/>
    public int LogReserveSegments { get; set; } = 2;

    /// <summary>
    /// Whether closing writes everything back first. Default false: the data stays dirty in the cache, safely.
    /// </summary>
    public bool DrainOnDispose { get; set; }

    /// <summary>
    /// How long closing takes at most, all of it together, with the drain of <see cref="DrainOnDispose"/>: zero to 30
    /// days, or <see cref="Timeout.InfiniteTimeSpan"/> (<c>infinite</c>). Default 30 s. The host's own shutdown
    /// timeout doesn't cut it short.
    /// </summary>
    public TimeSpan DisposeTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// Whether the region stays open when the cache is closed; only with <see cref="RegionFactory"/>. Default false.
    /// </summary>
    public bool LeaveRegionOpen { get; set; }

    /// <summary>
    /// Whether the backing stays open when the cache is closed; only with <see cref="BackingFactory"/>. Default
    /// false.
    /// </summary>
    public bool LeaveBackingOpen { get; set; }

    /// <inheritdoc cref="PCacheOptions.MaxIndexMemoryBytes"/>
    public long? MaxIndexMemoryBytes { get; set; }

    /// <summary>What was wrong in the configuration; told by the validation, together with everything else.</summary>
    internal List<string> Problems { get; } = [];

    /// <summary>
    /// Whether there was no configuration at all: then what is missing besides is only what follows from it.
    /// </summary>
    internal bool SectionIsMissing { get; set; }
}
