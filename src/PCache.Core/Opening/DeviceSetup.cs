using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Store;

namespace PCache.Core.Opening;

/// <summary>
/// Checks before anything is changed, and formatting. Keeps true: an argument error leaves region and backing
/// untouched; only blank regions are formatted without consent.
/// </summary>
internal static class DeviceSetup
{
    private const int Chunk = 64 << 10;

    /// <summary>Validates a device's parts and settings as a whole.</summary>
    public static PCacheOptions Validate(PmemRegion region, IBlockDevice backing, PCacheOptions? options, bool creating)
    {
        ArgumentNullException.ThrowIfNull(region);
        ArgumentNullException.ThrowIfNull(backing);
        PCacheOptions o = ValidateOptions(options, creating);
        CheckBacking(backing, o);
        if (!o.ReadOnly && region.IsReadOnly)
        {
            throw new ArgumentException(
                "The region is read-only; set PCacheOptions.ReadOnly to open the cache for reading.", nameof(region));
        }

        return o;
    }

    /// <summary>
    /// Validates the settings as a whole, before there are parts. <see langword="null"/>: the defaults.
    /// </summary>
    public static PCacheOptions ValidateOptions(PCacheOptions? options, bool creating)
    {
        PCacheOptions o = options ?? new PCacheOptions();
        Require(OptionRanges.IsSegmentSize(o.SegmentSizeBytes), nameof(o.SegmentSizeBytes), o.SegmentSizeBytes,
            OptionRanges.SegmentSizeText + ", or null");
        Require(OptionRanges.IsGcThreshold(o.GcThresholdPercent), nameof(o.GcThresholdPercent), o.GcThresholdPercent,
            OptionRanges.GcThresholdText + ", or null");
        Require(OptionRanges.IsKsetTimeout(o.KsetTimeout), nameof(o.KsetTimeout), o.KsetTimeout,
            OptionRanges.KsetTimeoutText);
        Require(OptionRanges.IsDelay(o.WritebackDelay), nameof(o.WritebackDelay), o.WritebackDelay,
            OptionRanges.DelayText);
        Require(OptionRanges.IsConcurrency(o.WritebackConcurrency), nameof(o.WritebackConcurrency),
            o.WritebackConcurrency, OptionRanges.ConcurrencyText);
        Require(OptionRanges.IsGroupBytes(o.WritebackGroupBytes), nameof(o.WritebackGroupBytes), o.WritebackGroupBytes,
            OptionRanges.GroupBytesText);
        Require(OptionRanges.IsTimeout(o.SpaceTimeout), nameof(o.SpaceTimeout), o.SpaceTimeout,
            OptionRanges.TimeoutText);
        Require(OptionRanges.IsTimeout(o.DisposeTimeout), nameof(o.DisposeTimeout), o.DisposeTimeout,
            OptionRanges.TimeoutText);
        Require(OptionRanges.IsLogReserve(o.LogReserveSegments), nameof(o.LogReserveSegments), o.LogReserveSegments,
            OptionRanges.LogReserveText);
        Require(OptionRanges.IsFingerprint(o.BackingFingerprintBlocks), nameof(o.BackingFingerprintBlocks),
            o.BackingFingerprintBlocks, OptionRanges.FingerprintText);
        Require(OptionRanges.IsIndexMemory(o.MaxIndexMemoryBytes), nameof(o.MaxIndexMemoryBytes), o.MaxIndexMemoryBytes,
            OptionRanges.IndexMemoryText + ", or null");
        Require(OptionRanges.IsGroupBytes(o.CheckpointBytes), nameof(o.CheckpointBytes), o.CheckpointBytes,
            OptionRanges.GroupBytesText);
        Require(OptionRanges.IsDelay(o.CheckpointInterval), nameof(o.CheckpointInterval), o.CheckpointInterval,
            OptionRanges.DelayText);
        Require(
            o.BackingConsistency is null || Enum.IsDefined(o.BackingConsistency.Value), nameof(o.BackingConsistency),
            o.BackingConsistency, "a defined value, or null");
        Require(
            o.CheckpointJournalPath is null || o.CheckpointJournal is null, nameof(o.CheckpointJournalPath),
            o.CheckpointJournalPath, "null where CheckpointJournal is given");
        Require(
            o.CheckpointJournalPath is null
                || (o.CheckpointJournalPath.Length > 0
                    && !o.CheckpointJournalPath.Contains('\0', StringComparison.Ordinal)),
            nameof(o.CheckpointJournalPath), o.CheckpointJournalPath, "a path, or null");
        Require(Enum.IsDefined(o.PersistOn), nameof(o.PersistOn), o.PersistOn, "a defined value");
        Require(Enum.IsDefined(o.Maintenance), nameof(o.Maintenance), o.Maintenance, "a defined value");
        Require(o.TimeProvider is not null, nameof(o.TimeProvider), o.TimeProvider, "not null");
        Require(OptionRanges.IsLabel(o.Label), nameof(o.Label), o.Label, OptionRanges.LabelText);
        Require(!(creating && o.ReadOnly), nameof(o.ReadOnly), o.ReadOnly, "false when creating");
        return o;
    }

    /// <summary>Checks what the cache is to stand in front of, against valid settings.</summary>
    public static void CheckBacking(IBlockDevice backing, PCacheOptions o)
    {
        if (!int.IsPow2(backing.BlockSize) || backing.BlockSize > 65536)
        {
            throw new ArgumentException($"The backing's block size is {backing.BlockSize}; it must be a power of two "
                + $"from 1 to 65536.", nameof(backing));
        }

        if (backing.Length > ExtentStore.MaxLength)
        {
            throw new ArgumentException($"The backing has {backing.Length} bytes; a cache can be in front of at most "
                + $"{ExtentStore.MaxLength}.", nameof(backing));
        }

        if (o.BackingConsistency is { } level && !o.ReadOnly)
        {
            using Journal.JournalPlace? place = JournalRecognition.PlaceFor(o, backing);
            CheckConsistency(level, place is not null, "options");
        }

        if (!o.ReadOnly && !backing.CanWrite)
        {
            throw new ArgumentException("The backing can't be written; set PCacheOptions.ReadOnly to open the cache "
                + "for reading.", nameof(backing));
        }
    }

    /// <summary>Checks a level against what is known of a place for the journal.</summary>
    public static void CheckConsistency(BackingConsistency level, bool hasPlace, string parameterName)
    {
        if (!Enum.IsDefined(level))
        {
            throw new ArgumentOutOfRangeException(parameterName, level, "Not a defined value.");
        }

        if (level == BackingConsistency.Checkpoint && !hasPlace)
        {
            throw new ArgumentException("Checkpoints need a place for their journal: the backing isn't a regular file "
                + "whose path is known, so PCacheOptions.CheckpointJournalPath or CheckpointJournal has to name one.",
                parameterName);
        }
    }

    /// <summary>Throws for a value that isn't defined.</summary>
    public static void CheckDurability(WriteDurability durability)
    {
        if (durability is < WriteDurability.Normal or > WriteDurability.Persist)
        {
            throw new ArgumentOutOfRangeException(nameof(durability), durability, "Not a defined value.");
        }
    }

    /// <summary>Formats a blank region, or any with consent.</summary>
    public static void Format(PmemRegion region, IBlockDevice backing, PCacheOptions options)
    {
        if (!options.OverwriteExisting && !IsBlank(region))
        {
            throw new PCacheException("The region already holds a cache or something else. Open it instead, or set "
                + "PCacheOptions.OverwriteExisting to destroy what is there.");
        }

        int segmentSize = options.SegmentSizeBytes ?? MediaConstants.LinuxSegmentSize;
        if (WhyTooSmall("The region", region.LengthBytes, options) is { } why)
        {
            throw new ArgumentException(why, nameof(region));
        }

        IndexMemory.CheckCapacity(
            options.MaxIndexMemoryBytes, Geometry.SegmentsThatFit(region.LengthBytes, segmentSize),
            segmentSize - MediaConstants.SegmentDataOffset);
        Formatter.Format(region, new FormatParameters
        {
            SegmentSizeBytes = options.SegmentSizeBytes,
            PayloadCrc = options.PayloadCrc ?? false,
            GcPercent = options.GcThresholdPercent ?? CacheFlags.DefaultGcPercent,
            Label = options.Label,
            CacheId = Machine.Of(options.TimeProvider).Chance.NewGuid(),
            BackingLengthBytes = backing.Length,
            BackingIdentity = options.BackingIdentity,
            BackingResizable = backing.CanResize,
        });
    }

    /// <summary>
    /// Why so many bytes are too few for a new cache with these (valid) settings, and what would do; null: they are
    /// enough.
    /// </summary>
    public static string? WhyTooSmall(string what, long lengthBytes, PCacheOptions options)
    {
        int segmentSize = options.SegmentSizeBytes ?? MediaConstants.LinuxSegmentSize;
        int needed = options.LogReserveSegments + 2;
        if (Geometry.SegmentsThatFit(lengthBytes, segmentSize) >= needed)
        {
            return null;
        }

        int fits = segmentSize;
        while (fits >= MediaConstants.MinSegmentSize && Geometry.SegmentsThatFit(lengthBytes, fits) < needed)
        {
            fits /= 2;
        }

        string text = $"{what} has {ByteText.Of(lengthBytes)}; {needed} segments of {ByteText.Of(segmentSize)} (log, "
            + $"reserve, payload) need at least {ByteText.AtLeast(Least(segmentSize))}.";
        string hint = fits >= MediaConstants.MinSegmentSize
            ? $"For a small cache set SegmentSizeBytes to {fits} or less"
            : segmentSize > MediaConstants.MinSegmentSize
            ? $"With SegmentSizeBytes = {MediaConstants.MinSegmentSize}, the least, "
                + $"{ByteText.AtLeast(Least(MediaConstants.MinSegmentSize))} would do"
            : "There are no smaller segments";
        bool isCompact = fits < MediaConstants.LinuxSegmentSize && segmentSize > MediaConstants.MinSegmentSize;
        return $"{text} {hint}{(isCompact ? " (the compact geometry, which Linux doesn't open)" : "")}.";

        long Least(int size) => MediaConstants.SegmentsOffset + ((long)needed * size);
    }

    /// <summary>Whether the region's head, where every cache has its structures, is all zeros.</summary>
    public static bool IsBlank(PmemRegion region)
    {
        const long head = MediaConstants.SegmentsOffset + MediaConstants.SegmentDataOffset;
        var buffer = new byte[Math.Min(Chunk, (int)Math.Min(region.LengthBytes, head))];
        region.ReadMetadata(0, buffer);
        return !buffer.AsSpan().ContainsAnyExcept((byte)0);
    }

    private static void Require(bool condition, string name, object? value, string allowed)
    {
        if (!condition)
        {
            throw Bad(name, value, allowed);
        }
    }

#pragma warning disable CA2208 // the argument of the public callers is named options
    private static ArgumentOutOfRangeException Bad(string name, object? value, string allowed) =>
        new("options", value, $"PCacheOptions.{name} must be {allowed}.");
#pragma warning restore CA2208
}
