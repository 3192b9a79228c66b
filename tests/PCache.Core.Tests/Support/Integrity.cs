using System.Reflection;
using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Segments;

namespace PCache.Core.Tests.Support;

/// <summary>
/// What a device at rest counts, against a recount: the references of each segment are those of the keys from the key tail on and of the keys that aren't
/// logged yet, plus one for a data head; the log's room that is left is what head and reserve have, less the worst case of each key that isn't logged yet;
/// no placeholder stands in the index.
/// </summary>
internal static class Integrity
{
    private const int WorstCaseKeyBytes = MediaConstants.KsetHeaderSize + MediaConstants.KeySize;

    public static void Assert(PCacheDevice device, PmemRegion region)
    {
        object engine = Field(device, "_engine");
        var segments = (SegmentTable)Field(engine, "_segments");
        object log = Field(engine, "_log");
        using PmemRegion copy = Rig.Load(region.ReadSpan(0, (int)region.LengthBytes));
        ReplayResult replay = LogReplay.Run(copy, MediaLoader.Load(copy), new Sink(), null);
        int[] expected = replay.Use.References.ToArray();
        int pending = 0;
        foreach (CacheKey key in Pending(log))
        {
            expected[(int)key.Segment]++;
            pending++;
        }

        foreach (object head in (Array)Field(Field(engine, "_heads"), "_heads"))
        {
            if ((int)Field(head, "Segment") is >= 0 and int open)
            {
                expected[open]++;
            }
        }

        Xunit.Assert.Equal(expected, Enumerable.Range(0, segments.Count).Select(segments.References));
        Xunit.Assert.Equal(pending, device.GetStatus().PendingKeys);
        int segmentRoom = segments.DataSize - MediaConstants.KsetHeaderSize - WorstCaseKeyBytes;
        int reserved = ((Queue<int>)Field(segments, "_reserve")).Count;
        long room = segmentRoom - replay.KeyHead.Offset + ((long)reserved * segmentRoom) - ((long)pending * WorstCaseKeyBytes);
        Xunit.Assert.Equal(room, (long)Field(log, "_availableBytes"));
        foreach (IndexShard shard in ((ShardedIndex)Field(engine, "_index")).Shards)
        {
            for (long cursor = 0; shard.Stripes.NextStripe(ref cursor, out long stripe, out StripeIndex? index);)
            {
                index.Validate();
                foreach (Extent extent in index)
                {
                    Xunit.Assert.False(extent.IsPlaceholder, $"placeholder in stripe {stripe} at sector {extent.Start}");
                }
            }
        }
    }

    private static IEnumerable<CacheKey> Pending(object log)
    {
        var taken = (CacheKey[])Field(log, "_taken");
        for (int i = 0; i < (int)Field(log, "_takenCount"); i++)
        {
            yield return taken[(int)Field(log, "_takenStart") + i];
        }

        foreach (PendingKeys keys in (PendingKeys[])Field(log, "_pending"))
        {
            foreach (CacheKey key in keys.Keys.ToArray())
            {
                yield return key;
            }
        }
    }

    private static object Field(object of, string name) =>
        of.GetType().GetField(name, BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)!.GetValue(of)!;

    private sealed class Sink : IReplaySink
    {
        public void OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail)
        {
        }

        public void OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
        {
        }
    }
}
