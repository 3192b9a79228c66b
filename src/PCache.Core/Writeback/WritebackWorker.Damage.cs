using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Store;

namespace PCache.Core.Writeback;

/// <summary>
/// What write-back does with damaged keys. Keeps true: a damaged key leaves the dirty tail's way only after what the
/// index still shows of it was logged anew, durably, still damaged; passing only such keys once more doesn't count as
/// getting on.
/// </summary>
internal sealed partial class WritebackWorker
{
    // Damaged keys that were logged anew and lie ahead of the dirty tail (at this distance or later), and where the
    // log ended then: passing only them once more gains nothing. One key may stand in the log several times (zeros
    // written twice, a kill after it was logged anew): it is logged anew once.
    private readonly Dictionary<DamagedKey, long> _relogged = [];
    private long _relogEnd = -1;

    /// <summary>Damaged data was given up: looks at all of it again.</summary>
    public void Recheck()
    {
        _relogged.Clear();
        _relogEnd = -1;
    }

    /// <summary>
    /// Logs what the index still shows of damaged keys once more, still damaged: as it is where it is whole; a
    /// trimmed part with a checksum that is wrong for sure. Durable before the dirty tail passes the old keys. False:
    /// the log has no room.
    /// </summary>
    private bool LogDamagedAnew()
    {
        foreach (CacheKey key in _damaged)
        {
            Extent extent = KeyExtents.ToExtent(in key, ExtentFlags.None);
            long stripe = KeyExtents.StripeOf(in key);
            IndexShard shard = _parts.Index.For(stripe);
            using (shard.Gate.Hold())
            {
                if (shard.Stripes.Find(stripe) is not { } index)
                {
                    continue;
                }

                _pieces.Clear();
                index.Lookup(extent.Start, extent.End, _pieces);
                var same = new SameKeyFilter(ExtentIdentity.Of(in extent)) { MatchShared = true };
                foreach (ref Extent piece in _pieces.AsSpan())
                {
                    if (!same.Matches(in piece)
                        || (piece.Length == piece.KeyLength && _relogged.ContainsKey(IdentityOf(in key))))
                    {
                        continue;
                    }

                    if (!_parts.Log.Room.TryReserve(1, anew: true))
                    {
                        return false;
                    }

                    Relog(shard, stripe, index, ref piece);
                }
            }
        }

        _parts.Log.Flush(); // also what was logged anew when there wasn't room for all
        _relogEnd = _relogged.Count > 0 ? _parts.Positions.KeyHead.Distance : -1;
        return true;
    }

    private long FirstRelogged()
    {
        long first = long.MaxValue;
        foreach (long distance in _relogged.Values)
        {
            first = Math.Min(first, distance);
        }

        return _relogged.Count == 0 ? 0 : first;
    }

    private static DamagedKey IdentityOf(in CacheKey key) =>
        new(key.Offset, key.Length, key.Segment, key.SegmentOffset, key.Generation);

    private void Relog(IndexShard shard, long stripe, StripeIndex index, ref Extent piece)
    {
        if (piece.Length != piece.KeyLength)
        {
            long source = _parts.Segments.DataOffset(
                (int)piece.Segment) + ((long)piece.PayloadSector * MediaConstants.SectorSize);
            piece.PayloadCrc = ~Crc32C.HashToUInt32(
                _parts.Region.ReadSpan(source, piece.Length * MediaConstants.SectorSize));
            piece.KeyStart = piece.Start;
            piece.KeyLength = piece.Length;
            index.Insert(in piece);
        }

        _parts.Damage.Add(stripe, ExtentIdentity.Of(in piece));
        _parts.Segments.AddReference((int)piece.Segment); // the old key still holds one
        CacheKey anew = KeyExtents.ToKey(stripe, in piece, _parts.Segments.Generation((int)piece.Segment));
        anew.Flags = 0; // the backing doesn't have it, whatever a twin with the same payload says
        _relogged[IdentityOf(in anew)] = _parts.Positions.KeyHead.Distance;
        _parts.Dirty.Add(anew.Length);
        _parts.Log.Add(shard.Id, in anew);
    }

    private readonly record struct DamagedKey(
        ulong Offset, uint Length, uint Segment, uint SegmentOffset, ulong Generation);
}
