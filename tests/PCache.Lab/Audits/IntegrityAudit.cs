using PCache.Core;
using PCache.Core.Engine;
using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Segments;

namespace PCache.Lab.Audits;

/// <summary>What a device at rest counts doesn't agree with a recount.</summary>
internal sealed class IntegrityException(string message) : Exception(message);

/// <summary>
/// What a device at rest counts, against a recount. Keeps true: the references of each segment are those of the keys
/// from the key tail on and of the keys that aren't logged yet, plus one for a data head; the log's room that is left
/// is what head and reserve have, less the worst case of each key that isn't logged yet; what is dirty are the live
/// keys from the dirty tail on, and those that aren't logged yet, but for clean ones; no placeholder stands in the
/// index, and each stripe's index is sound in itself. Changes nothing.
/// </summary>
internal static class IntegrityAudit
{
    /// <summary>Recounts.</summary>
    /// <exception cref="IntegrityException">The counts differ, or a placeholder was left behind.</exception>
    public static void Check(PCacheDevice device, PmemRegion region)
    {
        CacheEngine engine = device.Internals;
        SegmentTable segments = engine.Store.Segments;
        List<CacheKey> pending = engine.Writable.Writer.Log.CopyPending();
        using PmemRegion copy = Copy(region);
        var dirty = new DirtySink(engine.Store.Positions.DirtyTail.Position);
        ReplayResult replay = LogReplay.Run(copy, MediaLoader.Load(copy), dirty, null);
        int[] expected = replay.Use.References.ToArray();
        foreach (CacheKey key in pending)
        {
            expected[(int)key.Segment]++;
            dirty.Count(in key);
        }

        foreach (int open in engine.Writable.Writer.Heads.OpenSegments)
        {
            expected[open]++;
        }

        for (int i = 0; i < segments.Count; i++)
        {
            Equal(expected[i], segments.References(i), $"references of segment {i}");
        }

        Equal(pending.Count, device.GetStatus().PendingKeys, "pending keys");
        Equal(dirty.Keys, engine.Store.Dirty.AtRest.Keys, "dirty keys");
        Equal(dirty.Bytes, engine.Store.Dirty.AtRest.Bytes, "dirty bytes");
        int segmentRoom = engine.Writable.Writer.Log.Room.SegmentBytes;
        long room = segmentRoom - replay.KeyHead.Offset
            + ((long)segments.ReserveCount * segmentRoom) - ((long)pending.Count * LogRoom.WorstCaseKeyBytes);
        Equal(room, engine.Writable.Writer.Log.Room.AvailableBytes, "bytes of log that aren't reserved");
        CheckIndex(engine.Store.Index);
    }

    private static void CheckIndex(ShardedIndex shards)
    {
        foreach (IndexShard shard in shards.Shards)
        {
            using (shard.Gate.Hold())
            {
                shard.Stripes.Validate();
                for (long cursor = 0; shard.Stripes.NextStripe(ref cursor, out long stripe, out StripeIndex index);)
                {
                    foreach (Extent extent in index)
                    {
                        if (extent.IsPlaceholder)
                        {
                            throw new IntegrityException(
                                $"A placeholder was left in stripe {stripe} at sector {extent.Start}.");
                        }
                    }
                }
            }
        }
    }

    private static PmemRegion Copy(PmemRegion region)
    {
        PmemRegion copy = PmemMemory.Allocate(region.LengthBytes);
        copy.Write(0, region.ReadSpan(0, checked((int)region.LengthBytes)));
        return copy;
    }

    private static void Equal(long expected, long actual, string what)
    {
        if (expected != actual)
        {
            throw new IntegrityException($"The device counts {actual} {what}, a recount {expected}.");
        }
    }

    /// <summary>
    /// Counts dirty keys from the device's dirty tail on: a store that failed may have moved the one on the medium
    /// already.
    /// </summary>
    private sealed class DirtySink(LogPosition tail) : IReplaySink
    {
        private bool _reached;

        public long Keys { get; private set; }

        public long Bytes { get; private set; }

        public void Count(in CacheKey key)
        {
            if (!key.IsClean)
            {
                Keys++;
                Bytes += key.Length;
            }
        }

        public void OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail) =>
            _reached |= position == tail;

        public void OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
        {
            if (_reached && state == KeyState.Live)
            {
                Count(in key);
            }
        }
    }
}
