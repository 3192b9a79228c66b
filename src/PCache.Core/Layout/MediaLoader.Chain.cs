using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <content>The chain of segments.</content>
internal static partial class MediaLoader
{
    /// <summary>
    /// Whether this is the first write of formatting, and the second one, which names the next segment, is lost.
    /// </summary>
    private static bool IsFromBeforeLink(ReplicaOutcome outcome, ReplicaState state, in SegmentInfo segment) =>
        outcome == ReplicaOutcome.One && state is { Latest: 1, Sequence: 1 }
            && (segment.Flags & SegmentInfo.HasNextFlag) == 0;

    /// <summary>
    /// Follows the chain for exactly the stated number of segments, each at most once. Where findings are collected:
    /// as far as it goes.
    /// </summary>
    private static int[] LoadChain(
        PmemRegion region, FindingReporter report, Geometry geometry, in CacheInfo info, Action<int, int>? progress,
        List<int> unlinked)
    {
        int[] chain = new int[info.SegmentCount];
        bool[] seen = new bool[geometry.SegmentCount];
        uint id = info.FirstSegment;
        for (int position = 0; position < chain.Length; position++)
        {
            if (position % SegmentsPerReport == 0)
            {
                progress?.Invoke(position, chain.Length);
            }

            chain[position] = (int)id;
            seen[id] = true;
            long offset = geometry.SegmentOffset((int)id);
            ReplicaOutcome outcome = Replicas.Read(
                region, offset, MediaConstants.SegmentInfoStride, out SegmentInfo segment, out _,
                out ReplicaState state);
            if (outcome is ReplicaOutcome.Blank or ReplicaOutcome.None)
            {
                report.Damage(SegmentInfoName, offset,
                    Text($"Neither replica of segment {id} (chain position {position}) is valid, so the chain of "
                        + $"{chain.Length} segments can't be followed. Restore the image from a copy."));
                return chain[..(position + 1)];
            }

            NoteBadReplica(
                region, report, SegmentInfoName, offset, MediaConstants.SegmentInfoStride, 16, outcome, state);
            offset += state.Latest * (long)MediaConstants.SegmentInfoStride;
            uint type = (segment.Flags >> 1) & 0xF;
            if (type != 1)
            {
                report.Damage(
                    SegmentInfoName, offset, Text($"The type of segment {id} is {type}, allowed is 1 (cache data)."));
            }

            bool isLast = position == chain.Length - 1;
            if (!isLast && IsFromBeforeLink(outcome, state, in segment))
            {
                // One damaged replica is no error while the other is valid. Formatting links each segment to its
                // neighbour.
                report.Note(
                    SegmentInfoName, offset, Text(
                        $"What is left of the info of segment {id} is from before it was linked to its successor; that "
                        + $"is taken to be segment {id + 1}, as formatting links them."), linux: LinuxCase.Unlinked);
                unlinked.Add(position);
                segment.Flags |= SegmentInfo.HasNextFlag;
                segment.Next = id + 1;
            }

            bool hasNext = (segment.Flags & SegmentInfo.HasNextFlag) != 0;
            if (hasNext == isLast)
            {
                report.Damage(
                    SegmentInfoName, offset, Text($"\"Has next\" of segment {id} at chain position {position} is "
                        + $"{(hasNext ? 1 : 0)}, but the chain has {chain.Length} segments."), "chain");
                return chain[..(position + 1)];
            }

            if (isLast)
            {
                break;
            }

            if (segment.Next >= geometry.SegmentCount)
            {
                report.Damage(
                    SegmentInfoName, offset, Text($"The next segment of segment {id} is {segment.Next}, allowed are 0 "
                        + $"to {geometry.SegmentCount - 1}."), "chain");
                return chain[..(position + 1)];
            }

            if (seen[segment.Next])
            {
                report.Damage(
                    SegmentInfoName, offset, Text($"The next segment of segment {id} is {segment.Next}, which the "
                        + $"chain already has: a cycle. Each segment is allowed once."), "chain");
                return chain[..(position + 1)];
            }

            id = segment.Next;
        }

        return chain;
    }
}
