using System.Numerics;
using System.Runtime.InteropServices;
using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <summary>
/// The fingerprint's place in the extension block. Keeps true: a fingerprint counts only while the cache is what it
/// was when the fingerprint was made and the block hasn't been rewritten by software that doesn't know it; once
/// <see cref="ClearFingerprint"/> has returned, neither replica has one.
/// </summary>
internal static partial class ExtensionBlocks
{
    /// <summary>The fingerprint of an orderly close.</summary>
    public const byte FingerprintKind = 1;

    /// <summary>
    /// The same, kept over an open: it counts until the dirty tail moves, for what isn't dirty in the cache. Older
    /// versions take it for none.
    /// </summary>
    public const byte OpenFingerprintKind = 2;

    /// <summary>Smallest block of a fingerprint as a power of two: 4 KiB.</summary>
    public const int MinBlockShift = 12;

    /// <summary>Largest one: 64 KiB, the largest block of a backing.</summary>
    public const int MaxBlockShift = 16;

    /// <summary>Most blocks that are sampled.</summary>
    public const int MaxSamples = 4096;

    /// <summary>Most blocks that are remembered as written last.</summary>
    public const int MaxRecent = 8;

    /// <summary>The fingerprint of a block, if it has one that counts.</summary>
    /// <param name="block">The block.</param>
    /// <param name="state">Its replicas: which sequence the block has.</param>
    /// <param name="cacheState">The cache as it is now: <see cref="StateOf"/>.</param>
    /// <param name="record">The fingerprint.</param>
    /// <param name="kind">Which of the two kinds is wanted.</param>
    public static bool TryGetFingerprint(
        in ExtensionBlock block, ReplicaState state, uint cacheState, out FingerprintRecord record,
        byte kind = FingerprintKind)
    {
        record = block.Fingerprint;
        return block.FormatVersion >= 2
            && record.Kind == kind
            && record.Sequence == state.Sequence
            && record.State == cacheState
            && record.BlockShift is >= MinBlockShift and <= MaxBlockShift
            && record.SampleCount is >= 1 and <= MaxSamples
            && record.BackingLength <= long.MaxValue
            && record.Taken <= (ulong)DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()
            && AreInside(in record);
    }

    /// <summary>When a fingerprint was made.</summary>
    public static DateTimeOffset TakenAt(in FingerprintRecord record) =>
        DateTimeOffset.FromUnixTimeMilliseconds((long)record.Taken);

    /// <summary>Durably keeps a fingerprint, in both replicas.</summary>
    public static void SetFingerprint(
        PmemRegion region, MediaState media, FingerprintRecord record, byte kind = FingerprintKind)
    {
        if (media.Extension is { } block)
        {
            record.Kind = kind;
            record.Sequence = media.ExtensionReplicas.Sequence;
            block.FormatVersion = Math.Max(block.FormatVersion, FormatVersion);
            block.Fingerprint = record;
            WriteTwice(region, media, block);
        }
    }

    /// <summary>Durably removes the fingerprint from both replicas, if either has one; costs nothing else.</summary>
    public static void ClearFingerprint(PmemRegion region, MediaState media)
    {
        if (media.Extension is not { } block)
        {
            return;
        }

        // The latest may have none because a crash came between the two writes that cleared it: falling back to the
        // older one must not bring it back.
        ReplicaOutcome outcome = Replicas.Read(
            region, MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride, out ExtensionBlock latest,
            out ExtensionBlock older, out _);
        if (latest.Fingerprint.Kind == 0 && older.Fingerprint.Kind == 0
            && outcome is ReplicaOutcome.Both or ReplicaOutcome.One)
        {
            return;
        }

        block.Fingerprint = default;
        WriteTwice(region, media, block);
    }

    /// <summary>
    /// What the cache is, in 32 bits: where its log ends, how far it is written back, and every segment's generation.
    /// Every write-back moves one of the positions; a writer that comes round the whole log to the same positions has
    /// reused segments on the way.
    /// </summary>
    public static uint StateOf(LogPosition keyHead, LogPosition dirtyTail, ReadOnlySpan<ulong> generations)
    {
        ReadOnlySpan<int> positions =
            [keyHead.Segment, keyHead.Offset, dirtyTail.Segment, dirtyTail.Offset, generations.Length];
        return StructureChecksum.Of(MemoryMarshal.AsBytes(positions), MemoryMarshal.AsBytes(generations));
    }

    /// <summary>
    /// Where the dirty tail stands and how often it was written, in 32 bits: the same as long as it hasn't been
    /// moved.
    /// </summary>
    public static uint StateOfOpen(LogPosition dirtyTail, ReplicaState dirtyTailReplicas)
    {
        ReadOnlySpan<int> words =
            [dirtyTail.Segment, dirtyTail.Offset, dirtyTailReplicas.Sequence, OpenFingerprintKind];
        return StructureChecksum.Of(MemoryMarshal.AsBytes(words));
    }

    /// <summary>
    /// The block size of a new fingerprint, as a power of two: 4 KiB, or the backing's block if that is larger.
    /// </summary>
    public static int BlockShiftFor(int backingBlockSize) =>
        Math.Max(MinBlockShift, BitOperations.Log2((uint)Math.Max(1, backingBlockSize)));

    private static bool AreInside(in FingerprintRecord record)
    {
        ulong blocks = (record.BackingLength >> record.BlockShift)
            + ((record.BackingLength & ((1UL << record.BlockShift) - 1)) != 0 ? 1UL : 0);
        for (int i = 0; i < Math.Min((int)record.RecentCount, MaxRecent); i++)
        {
            if (record.Recent[i] >> 16 >= blocks)
            {
                return false;
            }
        }

        return record.RecentCount <= MaxRecent;
    }
}
