using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Core.Inspection;

/// <summary>
/// Yields the ksets of a log that has been replayed. Keeps true: it goes exactly as many ksets far as the replay did,
/// so it ends whatever the image holds; only one kset is in memory at a time.
/// </summary>
internal static class LogIterator
{
    public static IEnumerable<KsetInfo> Enumerate(PmemRegion region, MediaState media, long ksets, bool withKeys)
    {
        KsetReader reader = new(region, media.Geometry, media.Chain, readAhead: true);
        SequenceTracker sequence = default;
        LogPosition position = media.KeyTail;
        bool dirty = false;
        for (long i = 0; i < ksets; i++)
        {
            dirty |= position == media.DirtyTail;
            if (reader.Read(position, ref sequence) != KsetOutcome.Valid)
            {
                yield break;
            }

            yield return Describe(reader, media, dirty, withKeys);
            position = reader.Next;
        }
    }

    private static KsetInfo Describe(KsetReader reader, MediaState media, bool dirty, bool withKeys)
    {
        ref readonly KsetHeader header = ref reader.Header;
        KeyInfo[] infos = [];
        if (withKeys)
        {
            ReadOnlySpan<CacheKey> keys = reader.Keys;
            infos = new KeyInfo[keys.Length];
            for (int i = 0; i < keys.Length; i++)
            {
                ref readonly CacheKey key = ref keys[i];
                bool live = key.Segment < (uint)media.ChainLength && key.Generation == media.Generations[key.Segment];
                infos[i] = new KeyInfo(
                    key.Offset, key.Length, key.IsClean, live, key.Segment, key.SegmentOffset, key.Generation,
                    key.PayloadCrc);
            }
        }

        return new KsetInfo(
            reader.Position, header.Sequence, header.IsBarrier, header.IsLast, reader.Keys.Length,
            header.IsLast ? reader.Next.Segment : null, dirty, infos)
        {
            ContinuesBatch = header.ContinuesBatch,
        };
    }
}
