using PCache.Core;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Segments;

namespace PCache.Lab.Torture;

/// <summary>
/// What holds for images that only our own engine has written, beyond what any sound image keeps: what others leave and
/// we have to take, we never leave. Keeps true: nothing is changed; each check costs little beside a recovery.
/// </summary>
internal static class OwnImage
{
    private const int LongestKset =
        MediaConstants.KsetHeaderSize + (MediaConstants.MaxKeysPerKset * MediaConstants.KeySize);

    /// <summary>
    /// A crash of a running device: beyond the log's end there is what is pending, in the making, and then zeros.
    /// </summary>
    /// <param name="device">The device that runs.</param>
    /// <param name="left">What a crash now leaves.</param>
    /// <param name="settings">Its machine.</param>
    public static void AfterCrash(PCacheDevice device, SimulatedPmem left, WorldSettings settings)
    {
        LogPosition head = device.Internals.Store.Positions.KeyHead.Position;
        int pending = device.Internals.Writable.Writer.Log.PendingCount;
        int headers = ((pending / MediaConstants.MaxKeysPerKset) + 2) * MediaConstants.KsetHeaderSize;
        int inTheMaking = Math.Max(LongestKset, (pending * MediaConstants.KeySize) + headers);
        int room = Rest(settings, head, inTheMaking);
        if (room > 0 && left.ReadSpan(Address(settings, head) + inTheMaking, room).ContainsAnyExcept((byte)0))
        {
            throw new TortureViolation($"The rest of the segment behind the log's end {head} isn't zero.");
        }
    }

    /// <summary>
    /// A recovery: no dead keys, no ksets of an earlier use, no link to what isn't zero; and behind the log's end all
    /// is zero by now, durably.
    /// </summary>
    /// <param name="device">The device that was opened.</param>
    /// <param name="image">Its region.</param>
    /// <param name="settings">Its machine.</param>
    /// <param name="before">Where the log ended for the machine that crashed.</param>
    public static void AfterOpen(PCacheDevice device, SimulatedPmem image, WorldSettings settings, LogPosition? before)
    {
        RecoveryReport report = device.Recovery;
        LogPosition head = report.KeyHead;
        if (report.DeadKeys > 0 || report.LostKeys > 0)
        {
            throw new TortureViolation($"The log names {report.DeadKeys} dead keys, {report.LostKeys} of them dirty.");
        }

        if (report.LogEnd == LogEnd.Leftover)
        {
            throw new TortureViolation($"A kset of an earlier use stands where the log ends, at {head}.");
        }

        if (report.LogEnd != LogEnd.Clean && head.Offset == 0 && before is { } was && was.Segment != head.Segment)
        {
            throw new TortureViolation($"The log goes on at {head}, which wasn't zero when the link to it was stored.");
        }

        long at = Address(settings, head);
        int rest = Rest(settings, head, 0);
        if (image.ReadSpan(at, rest).ContainsAnyExcept((byte)0))
        {
            throw new TortureViolation($"What stands behind the log's end {head} isn't zero after an open.");
        }

        foreach (ref readonly OpenWord word in image.Open.All)
        {
            if (word.Word * 8L >= at && word.Word * 8L < at + rest)
            {
                throw new TortureViolation(
                    $"What stands behind the log's end {head} is zero after an open, but not durably.");
            }
        }
    }

    /// <summary>
    /// A recovery, whatever is lost besides: a segment with live payload says so in both replicas of its generation,
    /// and neither replica of the key tail names it.
    /// </summary>
    /// <param name="device">The device that was opened.</param>
    /// <param name="image">Its region.</param>
    /// <param name="settings">Its machine.</param>
    /// <param name="olderKeyTail">What <see cref="OlderKeyTail"/> was before.</param>
    public static void SegmentsInUse(PCacheDevice device, SimulatedPmem image, WorldSettings settings, int olderKeyTail)
    {
        SegmentTable segments = device.Internals.Store.Segments;
        for (int i = 0; i < segments.Count; i++)
        {
            if (segments.References(i) == 0)
            {
                continue;
            }

            long at = MediaConstants.SegmentsOffset + ((long)i * settings.SegmentBytes)
                + MediaConstants.SegmentControlOffset;
            ReplicaOutcome found = Replicas.Read(image, at, MediaConstants.GenerationStride,
                out GenerationRecord latest, out GenerationRecord older, out _);
            if (latest.Generation > 0 && (found != ReplicaOutcome.Both || latest.Generation != older.Generation))
            {
                throw new TortureViolation(
                    $"Segment {i} holds live payload of generation {latest.Generation}, and only one replica says so.");
            }

            if (i == olderKeyTail)
            {
                throw new TortureViolation($"Segment {i} holds live payload, and a replica of the key tail names it.");
            }
        }
    }

    /// <summary>The segment that the older replica of the key tail names; -1: there is no such replica.</summary>
    public static int OlderKeyTail(SimulatedPmem left) =>
        Replicas.Read(left, MediaConstants.KeyTailOffset, MediaConstants.PositionStride, out PositionRecord _,
            out PositionRecord older, out _) == ReplicaOutcome.Both ? (int)older.Segment : -1;

    /// <summary>A format has got as far as to say "initialised": then all but the superblock is there.</summary>
    /// <param name="left">What a crash in the middle of a format leaves; its superblock is put there.</param>
    /// <param name="superblock">The superblock that the format writes last.</param>
    public static void AfterUnfinishedFormat(SimulatedPmem left, ReadOnlySpan<byte> superblock)
    {
        if (Replicas.Read(left, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, out CacheInfo info,
            out _, out _) != ReplicaOutcome.One
            || new CacheFlags(info.Flags).GcPercent is World.EarlierGcPercent or World.EarlierGcPercent + 1)
        {
            return; // none yet, or one that is left of an earlier cache
        }

        using PmemRegion whole = PmemMemory.Allocate(left.LengthBytes);
        whole.Write(0, left.ReadSpan(0, checked((int)left.LengthBytes)));
        whole.Write(MediaConstants.SuperblockOffset, superblock);
        if (MediaLoader.Load(whole).Extension is not { BackingLength: > 0 })
        {
            throw new TortureViolation("A format says that it was finished, and the binding isn't there yet.");
        }
    }

    private static long Address(WorldSettings settings, LogPosition position) =>
        MediaConstants.SegmentsOffset + ((long)position.Segment * settings.SegmentBytes)
            + MediaConstants.SegmentDataOffset + position.Offset;

    private static int Rest(WorldSettings settings, LogPosition position, int from) =>
        settings.SegmentBytes - MediaConstants.SegmentDataOffset - position.Offset - from;
}
