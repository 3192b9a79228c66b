using Microsoft.Extensions.Logging;

namespace PCache.Core;

/// <summary>Who runs the device's maintenance (kset timer, write-back, garbage collection).</summary>
public enum MaintenanceMode
{
    /// <summary>A background thread of the device's own.</summary>
    OwnThread = 0,

    /// <summary>
    /// Only the caller of <c>PCacheDevice.RunMaintenanceStep</c>, and calls that need space and so run it inline: for
    /// deterministic tests.
    /// </summary>
    Manual = 1,
}

/// <summary>Settings of a cache. Immutable; validated as a whole when a device is created or opened.</summary>
public sealed record PCacheOptions
{
    /// <summary>Segment size of the Linux geometry in bytes: 16 MiB.</summary>
    public const int LinuxSegmentSizeBytes = 16 << 20;

    /// <summary>
    /// Segment size in bytes for a new cache: null (the default) for the Linux geometry (16 MiB, images move to and
    /// from Linux); a power of two from 64 KiB to 16 MiB for the compact geometry, which Linux refuses. Ignored by an
    /// open.
    /// </summary>
    public int? SegmentSizeBytes { get; init; }

    /// <summary>
    /// Payload checksums. Creating: null means off. Opening: null means as the image says; another value than the
    /// image's is refused.
    /// </summary>
    public bool? PayloadCrc { get; init; }

    /// <summary>
    /// Percentage of used segments from which garbage collection runs, 0 to 90. Null: 70 for a new cache, as the
    /// image says for an open one.
    /// </summary>
    public int? GcThresholdPercent { get; init; }

    /// <summary>Label written at creation: at most 64 bytes of UTF-8 without NUL.</summary>
    public string? Label { get; init; }

    /// <summary>
    /// Identity of the backing, chosen by the caller and bound to the cache; <see cref="Guid.Empty"/>: only the
    /// length is bound.
    /// </summary>
    public Guid BackingIdentity { get; init; }

    /// <summary>
    /// Consent to a backing whose identity or length differs from the bound one, or that was changed while the cache
    /// was away (see <see cref="BackingFingerprintBlocks"/>). The cache is bound anew; a read-only open only passes
    /// over the difference. What the cache holds stays in it: it goes on answering reads, and dirty data goes to this
    /// backing.
    /// </summary>
    public bool RebindBacking { get; init; }

    /// <summary>
    /// How many blocks of the backing are sampled for the fingerprint that an orderly close leaves in the cache, 0 to
    /// 4096; default 16. The next open reads the same blocks, and the up to 8 that were written back last, and
    /// refuses a backing that was changed meanwhile (<see cref="PCacheBackingMismatchException"/>). Close and open
    /// read that many blocks of 4 KiB (or of the backing's block size, if that is larger), one after the other, and
    /// the close flushes the backing. 0: no fingerprint is made, and none is compared.
    /// </summary>
    public int BackingFingerprintBlocks { get; init; } = 16;

    /// <summary>
    /// Whether an open after a crash compares the backing with what the cache knows of it: up to 64 reads of what is
    /// clean in the cache, the sampled blocks where nothing was written back since, and which file it is. Default
    /// true. False for a backing that doesn't hold what was written to it (one that makes up its content); no effect
    /// where <see cref="BackingFingerprintBlocks"/> is 0.
    /// </summary>
    public bool CompareBackingAfterCrash { get; init; } = true;

    /// <summary>
    /// Consent to open an image in which acknowledged writes are already lost (see
    /// <see cref="PCacheLostWritesException"/>).
    /// </summary>
    public bool AcceptLostWrites { get; init; }

    /// <summary>
    /// Consent of a create to destroy the cache (or whatever else) that the region holds. Default false: only a
    /// region without content is formatted.
    /// </summary>
    public bool OverwriteExisting { get; init; }

    /// <summary>Opens for reading only: neither cache nor backing is changed in any way.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>
    /// Whether payload checksums, where the image has them, are verified on every read. Default true.
    /// </summary>
    public bool VerifyReads { get; init; } = true;

    /// <summary>Whether read misses fill the cache. Default true.</summary>
    public bool CacheReads { get; init; } = true;

    /// <summary>
    /// Longest time that a key stays unlogged without a flush: what a program that doesn't flush loses at most when
    /// it is killed (see <see cref="PersistOn"/>). Default 1 s.
    /// </summary>
    public TimeSpan KsetTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// From when on a write survives the death of the process: with <see cref="PersistOn.Write"/> each write, of
    /// whatever kind, is in the log when it returns; writers at once share that. Default
    /// <see cref="PersistOn.Flush"/>. A single write asks for it by <see cref="WriteDurability.Persist"/>, a stream
    /// view by its own setting.
    /// </summary>
    public PersistOn PersistOn { get; init; }

    /// <summary>
    /// How long write-back waits after the first dirty key before it begins. Default 5 s; zero: at once. Waiting
    /// writers override it.
    /// </summary>
    public TimeSpan WritebackDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// Whether write-back begins paused (see <c>PCacheDevice.PauseWriteback</c>). A paused write-back runs only for
    /// an explicit drain.
    /// </summary>
    public bool StartWritebackPaused { get; init; }

    /// <summary>Backing writes in flight at once inside one barrier group, 1 to 256. Default 8.</summary>
    public int WritebackConcurrency { get; init; } = 8;

    /// <summary>
    /// Most payload bytes collected for one write-back group, 64 KiB to 1 GiB. Default 64 MiB; above the GC threshold
    /// and while writes wait for room, a quarter or a segment, if that is more.
    /// </summary>
    public int WritebackGroupBytes { get; init; } = 64 << 20;

    /// <summary>
    /// What the backing alone is worth while something is dirty. Null (the default):
    /// <see cref="BackingConsistency.Checkpoint"/> for a cache of the compact geometry in front of a regular file whose
    /// path is known (<see cref="IBackingFile.FilePath"/>) or with a place for the journal,
    /// <see cref="BackingConsistency.EachFlush"/> otherwise. Can be changed while the device is open.
    /// </summary>
    public BackingConsistency? BackingConsistency { get; init; }

    /// <summary>
    /// The file for the checkpoint journal. Null (the default): the backing's path with ".pcache-journal" behind it.
    /// It is made when it is needed, and removed when nothing is dirty. Give the same at each open.
    /// </summary>
    public string? CheckpointJournalPath { get; init; }

    /// <summary>
    /// A block device for the checkpoint journal instead of a file; it stays the caller's, and belongs to this cache
    /// alone as long as the device is open. Null (the default): a file.
    /// </summary>
    public IBlockDevice? CheckpointJournal { get; init; }

    /// <summary>
    /// About how many bytes a checkpoint (or a window of <see cref="BackingConsistency.WhenDrained"/>) writes, 64 KiB
    /// to 1 GiB. Default 64 MiB. It ends at a flush, so it may be more.
    /// </summary>
    public int CheckpointBytes { get; init; } = 64 << 20;

    /// <summary>
    /// Least time between two checkpoints while nothing waits for one, zero to 30 days. Default 1 s.
    /// </summary>
    public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>
    /// How long a write waits for room before it fails with <see cref="PCacheFullException"/>. Default: without
    /// limit.
    /// </summary>
    public TimeSpan SpaceTimeout { get; init; } = Timeout.InfiniteTimeSpan;

    /// <summary>Segments always kept free for the log, 1 to 64. Default 2.</summary>
    public int LogReserveSegments { get; init; } = 2;

    /// <summary>
    /// Whether disposing writes everything back first, as far as it gets within <see cref="DisposeTimeout"/>; what is
    /// left then is told by an exception and stays dirty in the cache, safely. Default false: all of it stays dirty
    /// in the cache.
    /// </summary>
    public bool DrainOnDispose { get; init; }

    /// <summary>
    /// How long disposing takes at most, all of it together: the drain of <see cref="DrainOnDispose"/>, the last
    /// flush, waiting for operations in flight, letting go of cache and backing. What hangs then is left to end on
    /// its own. Default 30 s; set it longer, or infinite, where a drain may take longer than that.
    /// </summary>
    public TimeSpan DisposeTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether the region stays open when the device is disposed. Default false.</summary>
    public bool LeaveRegionOpen { get; init; }

    /// <summary>Whether the backing stays open when the device is disposed. Default false.</summary>
    public bool LeaveBackingOpen { get; init; }

    /// <summary>Who runs the maintenance. Default: a thread of the device's own.</summary>
    public MaintenanceMode Maintenance { get; init; }

    /// <summary>Clock for every delay and timer. Default: the system's.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    /// <summary>
    /// Most bytes of memory for the index, from 256 KiB on; null (the default): no bound. Creating and opening refuse
    /// a bound that can't hold the index of a cache full of pages of 4 KiB (256 KiB and 24 bytes for each page that
    /// fits), and opening one that can't hold what is in the cache (<see cref="PCacheIndexMemoryException"/>).
    /// Smaller pieces need more, up to eight times as much: when the bound is reached, read misses don't fill the
    /// cache any more, and writes wait as in a full cache until write-back and garbage collection have made room. It
    /// may be exceeded by an eighth and 256 KiB.
    /// </summary>
    public long? MaxIndexMemoryBytes { get; init; }

    /// <summary>
    /// Told how far creating or opening has come: at the beginning of each stage, in between about ten times a second
    /// at most, and at the end; on the opening thread. What it throws ends the open. Null (the default): no progress
    /// is reported.
    /// </summary>
    public IProgress<OpenProgress>? OpenProgress { get; init; }

    /// <summary>
    /// Told how far disposing has come: at the beginning of each stage, some ten times a second while it waits, and
    /// at the end; on the disposing thread. What it throws is logged, and it isn't called again. Null (the default):
    /// no progress is reported; the log has a line after a second in any case.
    /// </summary>
    public IProgress<CloseProgress>? CloseProgress { get; init; }

    /// <summary>
    /// Where the device's log messages go (category <see cref="PCacheDiagnostics.LogCategory"/>): opening and
    /// closing, state changes, failures of backing and medium, damage. Messages that could repeat without end are
    /// limited to one in ten seconds, with the number of those left out. Null (the default): nowhere.
    /// </summary>
    public ILoggerFactory? LoggerFactory { get; init; }
}
