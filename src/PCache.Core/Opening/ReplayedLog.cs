using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Store;

namespace PCache.Core.Opening;

/// <summary>
/// The log replayed into a fresh index, with what goes with it: references of segments, positions, dirty counters.
/// Nothing on the medium is changed.
/// </summary>
/// <param name="Extents">What was found.</param>
/// <param name="Result">What the reader of the log says.</param>
/// <param name="ReservedSegments">Segments in the log's reserve.</param>
/// <param name="LastSequence">Number of the last kset.</param>
/// <param name="DirtyTailSequence">Number of the kset at the dirty tail, or of the next one where that is the log's
/// end; 0: it has none.</param>
/// <param name="WrittenBack">The keys that were written back last.</param>
/// <param name="Filled">The keys that misses filled last.</param>
internal sealed record ReplayedLog(
    FoundExtents Extents, ReplayResult Result, int ReservedSegments, uint LastSequence,
    uint DirtyTailSequence, RecentKeys WrittenBack, RecentKeys Filled)
{
    /// <summary>Whether no key of the log lives.</summary>
    public bool IsEmpty => Result.LiveKeys == 0;

    /// <summary>Reads the log into an index, which the caller disposes if this throws.</summary>
    /// <exception cref="PCacheCorruptionException">The log is damaged.</exception>
    /// <exception cref="PCacheLostWritesException">Writes are lost already, and the caller didn't consent.</exception>
    /// <exception cref="PCacheIndexMemoryException">The index doesn't fit its bound.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ReplayedLog Read(
        PmemRegion region,
        MediaState media,
        IndexMemory memory,
        PCacheOptions options,
        long backingLength,
        uint comparableSince,
        WorkSignal work,
        OpenMonitor monitor)
    {
        var dirty = new DirtyCounters();
        using var sink = new ReplaySink(memory.Index, memory, options, monitor, comparableSince);
        ReplayResult result = LogReplay.Run(region, media, sink, backingLength);
        sink.Complete(dirty);
        if (result.LostKeys > 0 && !options.ReadOnly && !options.AcceptLostWrites)
        {
            throw new PCacheLostWritesException(
                $"{result.LostKeys} writes that were not yet written back are lost: the program that wrote this image "
                + $"reused their segments. Open it for reading to save the rest, or accept the loss explicitly.");
        }

        int reserve = Math.Clamp(options.LogReserveSegments, 1, Math.Max(1, media.ChainLength - 2));
        var segments = new SegmentTable(
            region, media.Geometry, media.Chain, media.Generations, media.GenerationReplicas, reserve, work);
        foreach (int segment in result.LogSegments)
        {
            segments.MarkLog(segment);
        }

        for (int i = 0; i < segments.Count; i++)
        {
            segments.SetReferences(i, result.Use.References[i]);
        }

        int reserved = segments.BuildPools();
        var positions = new LogPositions(
            region,
            media.KeyTailReplicas,
            media.DirtyTailReplicas,
            keyTail: new LogPoint(media.KeyTail, 0),
            dirtyTail: new LogPoint(media.DirtyTail, sink.DirtyTailDistance),
            keyHead: new LogPoint(result.KeyHead, sink.EndDistance));
        var extents = new FoundExtents(region, media, segments, memory.Index, memory, positions, dirty);
        uint last =
            result.LastSequence != 0 ? result.LastSequence : Machine.Of(options.TimeProvider).Chance.NextSequence();
        bool isClean = sink.DirtyTailDistance == sink.EndDistance;
        uint dirtyTailSequence = !isClean ? sink.DirtyTailSequence
            : result.LastSequence == 0 ? 0
            : SequenceTracker.Next(result.LastSequence);
        return new ReplayedLog(
            extents, result, reserved, last, dirtyTailSequence, sink.WrittenBack, sink.Filled);
    }
}
