using System.Globalization;

namespace PCache.Core;

/// <summary>A place in the log: chain position of the segment, and byte offset in its data area.</summary>
/// <param name="Segment">Cache segment id (position in the chain), 0 or more.</param>
/// <param name="Offset">Byte offset in that segment's data area.</param>
public readonly record struct LogPosition(int Segment, int Offset)
{
    /// <summary>The form that the command and Linux print: "segment:offset".</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Segment}:{Offset}");
}

/// <summary>What the stores of a region are worth (see docs/durability.md).</summary>
public enum Persistence
{
    /// <summary>Memory only: gone with the process.</summary>
    Volatile = 0,

    /// <summary>
    /// An ordinary file, mapped shared: survives the death of the process, and a power cut where the region is
    /// power-safe.
    /// </summary>
    PageCache = 1,

    /// <summary>Persistent memory mapped with MAP_SYNC: non-temporal stores and a fence are enough.</summary>
    Dax = 2,

    /// <summary>Treated as <see cref="Dax"/> because the caller vouches for the memory.</summary>
    Assumed = 3,
}

/// <summary>A range of the device.</summary>
/// <param name="Offset">First byte.</param>
/// <param name="LengthBytes">Length in bytes.</param>
public readonly record struct DeviceRange(long Offset, long LengthBytes)
{
    /// <summary>First byte behind the range.</summary>
    public long End => Offset + LengthBytes;

    /// <summary>The form that the command prints: "offset+length", in bytes.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Offset}+{LengthBytes}");
}

/// <summary>How the log ended when it was replayed.</summary>
public enum LogEnd
{
    /// <summary>Zeros behind the last kset: an orderly end.</summary>
    Clean = 0,

    /// <summary>A kset that was not completely written: what an interrupted, unacknowledged append leaves.</summary>
    Torn = 1,

    /// <summary>A whole kset of an earlier use of the segment.</summary>
    Leftover = 2,
}

/// <summary>
/// What an open found out about the content of the backing. Identity and length are compared in any case.
/// </summary>
public enum BackingCheck
{
    /// <summary>
    /// Nothing: there is no fingerprint of the backing, and nothing else to compare it with: the cache is new, or was
    /// left by a crash with nothing in it that the backing has too.
    /// </summary>
    NoFingerprint = 0,

    /// <summary>
    /// The backing holds what it held at the last close, as far as can be told from some of its blocks.
    /// </summary>
    Matched = 1,

    /// <summary>As <see cref="Matched"/>, but some of those blocks couldn't be read.</summary>
    PartlyMatched = 2,

    /// <summary>
    /// Nothing: software that doesn't keep fingerprints (Linux, an older version) has used the cache since.
    /// </summary>
    Stale = 3,

    /// <summary>It wasn't compared: the options didn't want it, or consented to any backing.</summary>
    PassedOver = 4,

    /// <summary>
    /// After a crash, or where the fingerprint is stale: the backing holds what the cache knows it to hold, as far as
    /// can be told from a sample of what was written back last, and of what it held when the cache was opened before.
    /// </summary>
    MatchedAfterCrash = 5,
}

/// <summary>What an open found and did.</summary>
public sealed record RecoveryReport
{
    /// <summary>Ksets replayed, last ones (links) included.</summary>
    public required long Ksets { get; init; }

    /// <summary>Live keys replayed.</summary>
    public required long LiveKeys { get; init; }

    /// <summary>Keys whose segment had been given a later generation: passed over.</summary>
    public required long DeadKeys { get; init; }

    /// <summary>
    /// Dead keys at or behind the dirty tail that weren't clean: writes that the program that wrote the image has
    /// lost.
    /// </summary>
    public required long LostKeys { get; init; }

    /// <summary>How the log ended.</summary>
    public required LogEnd LogEnd { get; init; }

    /// <summary>Where the log ended: the key head.</summary>
    public required LogPosition KeyHead { get; init; }

    /// <summary>
    /// What the open found out about the backing's content (see
    /// <see cref="PCacheOptions.BackingFingerprintBlocks"/>).
    /// </summary>
    public required BackingCheck BackingCheck { get; init; }

    /// <summary>Time that the open took.</summary>
    public required TimeSpan Elapsed { get; init; }
}

/// <summary>
/// A snapshot of a device's state. Counters are exact for their own moment; they are not taken at one common instant.
/// </summary>
public sealed record PCacheStatus
{
    /// <summary>Whether the image has the Linux geometry (16 MiB segments); else compact.</summary>
    public required bool IsLinuxGeometry { get; init; }

    /// <summary>Segment size in bytes.</summary>
    public required int SegmentSizeBytes { get; init; }

    /// <summary>Number of segments.</summary>
    public required int SegmentCount { get; init; }

    /// <summary>Segments that hold log or payload (reserve and free ones not counted).</summary>
    public required int SegmentsUsed { get; init; }

    /// <summary>Garbage collection threshold in percent.</summary>
    public required int GcThresholdPercent { get; init; }

    /// <summary>Whether payload checksums are on.</summary>
    public required bool PayloadCrc { get; init; }

    /// <summary>Where the next kset goes.</summary>
    public required LogPosition KeyHead { get; init; }

    /// <summary>First kset not yet written back.</summary>
    public required LogPosition DirtyTail { get; init; }

    /// <summary>Where a replay would start.</summary>
    public required LogPosition KeyTail { get; init; }

    /// <summary>Length of the device in bytes.</summary>
    public required long Length { get; init; }

    /// <summary>Payload bytes of keys that are not yet written back, later overwrites counted each time.</summary>
    public required long DirtyBytes { get; init; }

    /// <summary>Keys that are not yet written back, pending ones included.</summary>
    public required long DirtyKeys { get; init; }

    /// <summary>Keys accepted but not yet logged.</summary>
    public required long PendingKeys { get; init; }

    /// <summary>
    /// Most bytes, in whole sectors of 512, that a batch may have which is written as a whole
    /// (<see cref="PCacheDevice.BeginAtomic"/>): a quarter of the cache's payload, or less where the log's reserve is
    /// small; 0 for a read-only device, and a cache of very few segments.
    /// </summary>
    public long AtomicBatchBytes { get; init; }

    /// <summary>
    /// Most separate ranges of such a batch: ranges of whole sectors, of 256 KiB at most, and sectors that are written
    /// in part.
    /// </summary>
    public int AtomicBatchRanges { get; init; }

    /// <summary>Whether everything is on the backing.</summary>
    public bool IsClean => DirtyKeys == 0;

    /// <summary>The state, typed: what to look at first.</summary>
    public required PCacheState State { get; init; }

    /// <summary>Whether the device is read-only.</summary>
    public required bool IsReadOnly { get; init; }

    /// <summary>What the region's stores are worth.</summary>
    public required Persistence Persistence { get; init; }

    /// <summary>Whether a flush also survives a power cut.</summary>
    public required bool IsPowerSafe { get; init; }

    /// <summary>Whether write-back is paused by the caller.</summary>
    public required bool WritebackPaused { get; init; }

    /// <summary>The last error of the backing while writing back; null when the last attempt succeeded.</summary>
    public required Exception? WritebackError { get; init; }

    /// <summary>Failed write-back attempts since the last success.</summary>
    public required int WritebackFailures { get; init; }

    /// <summary>Whether damaged dirty data is in the cache (see <see cref="DamagedRanges"/>).</summary>
    public bool IsDegraded => DamagedRanges.Count > 0;

    /// <summary>Ranges whose dirty payload no longer fits its checksum and is kept out of the backing.</summary>
    public required IReadOnlyList<DeviceRange> DamagedRanges { get; init; }

    /// <summary>Bytes read from the cache since the open.</summary>
    public required long HitBytes { get; init; }

    /// <summary>Bytes read from the backing since the open.</summary>
    public required long MissBytes { get; init; }

    /// <summary>Bytes written by callers since the open.</summary>
    public required long WrittenBytes { get; init; }

    /// <summary>Bytes written to the backing since the open.</summary>
    public required long WritebackBytes { get; init; }

    /// <summary>Writes that had to wait for room since the open.</summary>
    public required long SpaceWaits { get; init; }

    /// <summary>Segments reclaimed since the open.</summary>
    public required long SegmentsReclaimed { get; init; }

    /// <summary>Label of the cache; empty if none.</summary>
    public required string Label { get; init; }

    /// <summary>UUID of the cache; <see cref="Guid.Empty"/> if the image has none.</summary>
    public required Guid CacheId { get; init; }

    /// <summary>
    /// Length in bytes of the backing that the cache is bound to (its least length, if it can grow); null if it isn't
    /// bound.
    /// </summary>
    public required long? BackingLength { get; init; }

    /// <summary>
    /// Identity of the bound backing; <see cref="Guid.Empty"/> if only the length is bound, or nothing.
    /// </summary>
    public required Guid BackingIdentity { get; init; }

    /// <summary>What the open found out about the backing's content.</summary>
    public required BackingCheck BackingCheck { get; init; }

    /// <summary>What the backing alone is worth while something is dirty.</summary>
    public required BackingConsistency BackingConsistency { get; init; }

    /// <summary>Where the checkpoint journal stands when there is one; null: there is no place for it.</summary>
    public required string? CheckpointJournal { get; init; }

    /// <summary>
    /// The last flush of this open that the backing (with its checkpoint journal) is known to hold completely; of a
    /// busy device it may be told a little late. Number 0: none since the open.
    /// </summary>
    public required FlushPoint BackingAsOf { get; init; }

    /// <summary>Flushes since <see cref="BackingAsOf"/>.</summary>
    public required long FlushesBehind { get; init; }

    /// <summary>
    /// All properties by name, on one line: ranges as "offset+length" (of many, the first), of an error its type and
    /// message.
    /// </summary>
    public override string ToString()
    {
        const int MostRanges = 16;
        string ranges = string.Join(", ", DamagedRanges.Take(MostRanges));
        ranges += DamagedRanges.Count > MostRanges
            ? string.Create(CultureInfo.InvariantCulture, $", and {DamagedRanges.Count - MostRanges} more")
            : "";
        string error =
            WritebackError is null ? "none" : $"{WritebackError.GetType().Name}: {OneLine(WritebackError.Message)}";
        string[] parts =
        [
            Text($"{nameof(IsLinuxGeometry)} = {IsLinuxGeometry}"),
            Text($"{nameof(SegmentSizeBytes)} = {SegmentSizeBytes}"),
            Text($"{nameof(SegmentCount)} = {SegmentCount}"),
            Text($"{nameof(SegmentsUsed)} = {SegmentsUsed}"),
            Text($"{nameof(GcThresholdPercent)} = {GcThresholdPercent}"),
            Text($"{nameof(PayloadCrc)} = {PayloadCrc}"),
            Text($"{nameof(KeyHead)} = {KeyHead}"),
            Text($"{nameof(DirtyTail)} = {DirtyTail}"),
            Text($"{nameof(KeyTail)} = {KeyTail}"),
            Text($"{nameof(Length)} = {Length}"),
            Text($"{nameof(DirtyBytes)} = {DirtyBytes}"),
            Text($"{nameof(DirtyKeys)} = {DirtyKeys}"),
            Text($"{nameof(PendingKeys)} = {PendingKeys}"),
            Text($"{nameof(AtomicBatchBytes)} = {AtomicBatchBytes}"),
            Text($"{nameof(AtomicBatchRanges)} = {AtomicBatchRanges}"),
            Text($"{nameof(IsClean)} = {IsClean}"),
            Text($"{nameof(State)} = {OneLine(State.ToString())}"),
            Text($"{nameof(IsReadOnly)} = {IsReadOnly}"),
            Text($"{nameof(Persistence)} = {Persistence}"),
            Text($"{nameof(IsPowerSafe)} = {IsPowerSafe}"),
            Text($"{nameof(WritebackPaused)} = {WritebackPaused}"),
            Text($"{nameof(WritebackError)} = {error}"),
            Text($"{nameof(WritebackFailures)} = {WritebackFailures}"),
            Text($"{nameof(IsDegraded)} = {IsDegraded}"),
            Text($"{nameof(DamagedRanges)} = [{ranges}]"),
            Text($"{nameof(HitBytes)} = {HitBytes}"),
            Text($"{nameof(MissBytes)} = {MissBytes}"),
            Text($"{nameof(WrittenBytes)} = {WrittenBytes}"),
            Text($"{nameof(WritebackBytes)} = {WritebackBytes}"),
            Text($"{nameof(SpaceWaits)} = {SpaceWaits}"),
            Text($"{nameof(SegmentsReclaimed)} = {SegmentsReclaimed}"),
            Text($"{nameof(Label)} = \"{OneLine(Label)}\""),
            Text($"{nameof(CacheId)} = {CacheId}"),
            Text($"{nameof(BackingLength)} = {BackingLength?.ToString(CultureInfo.InvariantCulture) ?? "none"}"),
            Text($"{nameof(BackingIdentity)} = {BackingIdentity}"),
            Text($"{nameof(BackingCheck)} = {BackingCheck}"),
            Text($"{nameof(BackingConsistency)} = {BackingConsistency}"),
            Text($"{nameof(CheckpointJournal)} = {(CheckpointJournal is null ? "none" : OneLine(CheckpointJournal))}"),
            Text($"{nameof(BackingAsOf)} = {BackingAsOf.Number}"),
            Text($"{nameof(FlushesBehind)} = {FlushesBehind}"),
        ];
        return $"{nameof(PCacheStatus)} {{ {string.Join(", ", parts)} }}";

        static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
    }

    // A label can be any text that was written into the image: it must not forge lines of output.
    private static string OneLine(string text) =>
        string.Concat(
            text.Select(
                c => char.IsControl(c) || char.GetUnicodeCategory(c) is UnicodeCategory.Format
                    or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
            ? string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}")
            : c.ToString()));
}
