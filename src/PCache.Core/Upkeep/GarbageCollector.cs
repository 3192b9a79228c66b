using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Upkeep;

/// <summary>
/// Reclaims segments behind the dirty tail.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>GC goes no further than the older of the dirty tail's two replicas.</item>
/// <item>Per batch of ksets: the key tail durable behind them (in both replicas when a log segment is given up), only
/// then references dropped and log segments released.</item>
/// <item>References are dropped only for keys that took one: those whose generation is their segment's. A segment's
/// generation can't have been raised since, as it held the reference.</item>
/// <item>Each call does a bounded piece of work, and holds a shard's lock for no more than one stripe of it.</item>
/// <item>A payload segment goes back to the pools only after its raised generation is durable (see
/// <see cref="SegmentTable.Reclaim"/>).</item>
/// </list>
/// Runs on the maintenance thread only. Knows nothing of write-back: they meet at the log's positions.
/// </remarks>
internal sealed class GarbageCollector
{
    private const int KsetsPerStep = 64;
    private const int StripesPerStep = 64;
    private readonly SegmentTable _segments;
    private readonly LogPositions _positions;
    private readonly LogWriter _log;
    private readonly ShardedIndex _index;
    private readonly KsetReader _reader;
    private readonly KeyValidator _validator;
    private readonly List<int> _dropped = [];
    private readonly List<int> _leftLogSegments = [];
    private long _reclaimed;
    private long _reclaimedWhenSwept;
    private int _sweepShard;
    private int _sweepsDue;
    private long _sweepCursor;

    public GarbageCollector(
        PmemRegion region, MediaState media, SegmentTable segments, LogPositions positions, LogWriter log,
        ShardedIndex index)
    {
        _segments = segments;
        _positions = positions;
        _log = log;
        _index = index;
        _reader = new KsetReader(region, media.Geometry, media.Chain);
        _validator = new KeyValidator(media.Geometry, media.ChainLength, backingLength: null);
    }

    /// <summary>Segments given back so far.</summary>
    public long Reclaimed => Volatile.Read(ref _reclaimed);

    /// <summary>Whether there is something behind the dirty tail.</summary>
    public bool HasWork => _positions.KeyTail.Distance < _positions.DirtyTail.Distance;

    /// <summary>Whether one replica of the key tail is behind the other.</summary>
    public bool OlderKeyTailIsBehind => _positions.KeyTailOlder.Distance < _positions.KeyTail.Distance;

    /// <summary>
    /// Passes some ksets. Returns whether there was anything to do. With <paramref name="forGood"/> the key tail
    /// moves in both replicas, so that what it has passed can't be replayed any more even if one of them is lost.
    /// </summary>
    public bool Step(bool forGood)
    {
        LogPoint tail = _positions.KeyTail;
        LogPoint limit = _positions.CollectLimit;
        if (tail.Distance >= limit.Distance)
        {
            if (!HasWork)
            {
                if (!forGood || !OlderKeyTailIsBehind)
                {
                    return false;
                }

                _positions.WriteKeyTail(tail, both: true);
                return true;
            }

            _positions.WriteDirtyTail(_positions.DirtyTail); // brings the other replica along
            limit = _positions.CollectLimit;
        }

        LogPoint at = tail;
        _dropped.Clear();
        _leftLogSegments.Clear();
        for (int i = 0; i < KsetsPerStep && at.Distance < limit.Distance; i++)
        {
            at = Pass(at);
        }

        _positions.WriteKeyTail(at, both: forGood || _leftLogSegments.Count > 0);
        Invariant.Holds(at.Distance <= limit.Distance, "what is collected lies behind the older dirty tail");
        DropReferences();
        ReleaseLogSegments();
        return true;
    }

    private void DropReferences()
    {
        foreach (int segment in _dropped)
        {
            _segments.DropReference(segment);
        }

        _dropped.Clear();
    }

    private void ReleaseLogSegments()
    {
        foreach (int segment in _leftLogSegments)
        {
            Invariant.Holds(_positions.KeyTailOlder.Position.Segment != segment,
                $"segment {segment} is left by both replicas of the key tail when the log gives it up");
            if (_segments.ReleaseLog(segment))
            {
                _log.Room.ReserveGrew(1);
            }

            Interlocked.Increment(ref _reclaimed);
        }

        _leftLogSegments.Clear();
    }

    /// <summary>
    /// Gives one payload segment back whose last reference is gone. Returns whether there was one. With
    /// <paramref name="sweepMore"/> all stripes are visited while as many segments are reclaimed as are in use, not
    /// only while as many as there are: memory is scarce.
    /// </summary>
    public bool ReclaimOne(bool sweepMore)
    {
        if (!_segments.TakeUnreferenced(out int segment))
        {
            return false;
        }

        if (_segments.Reclaim(segment))
        {
            _log.Room.ReserveGrew(1);
        }

        Interlocked.Increment(ref _reclaimed);
        OweSweep(sweepMore ? Math.Max(1, _segments.UsedCount) : _segments.Count);

        return true;
    }

    /// <summary>
    /// Makes all stripes due for <see cref="SweepSome"/>. Returns false, having done nothing, if no segment was given
    /// back since the last time.
    /// </summary>
    public bool SweepAll()
    {
        if (_reclaimedWhenSwept == _reclaimed)
        {
            return false;
        }

        _reclaimedWhenSwept = _reclaimed;
        _sweepsDue = CountStripes();
        return true;
    }

    private LogPoint Pass(LogPoint at)
    {
        SequenceTracker any = default;
        KsetOutcome outcome = _reader.Read(at.Position, ref any);
        if (outcome != KsetOutcome.Valid)
        {
            throw new PCacheCorruptionException("kset", _reader.DeviceOffset,
                $"The kset at {at.Position} was whole when it was logged or replayed, now it isn't ({outcome}).");
        }

        ReadOnlySpan<CacheKey> keys = _reader.Keys;
        for (int i = 0; i < keys.Length; i++)
        {
            if (_validator.Check(in keys[i], _reader.KeyDeviceOffset(i), _segments.Generations) == KeyState.Live)
            {
                _dropped.Add((int)keys[i].Segment);
            }
        }

        if (_reader.Header.IsLast)
        {
            _leftLogSegments.Add(at.Position.Segment);
        }

        return new LogPoint(_reader.Next, at.Distance + _reader.SizeBytes);
    }

    /// <summary>
    /// Takes dead extents out of some of the stripes that are due. A reclaimed segment leaves its extents behind; as
    /// for each reclaim a share of the stripes is swept, all of them are visited at least once while as many segments
    /// are reclaimed as there are, so dead extents never outnumber those of one full turn of the cache. Returns
    /// whether there was something to do.
    /// </summary>
    public bool SweepSome()
    {
        if (_sweepsDue == 0)
        {
            return false;
        }

        int budget = Math.Min(_sweepsDue, StripesPerStep);
        _sweepsDue -= budget;
        var dead = new DeadFilter(_segments);
        for (int shards = 0; budget > 0 && shards <= _index.Shards.Length;)
        {
            IndexShard shard = _index.Shards[_sweepShard];
            using (shard.Gate.Hold())
            {
                if (shard.Stripes.NextStripe(ref _sweepCursor, out long stripe, out StripeIndex index))
                {
                    index.RemoveWhere(0, StripeIndex.SectorCount, ref dead);
                    shard.Stripes.RemoveIfEmpty(stripe);

                    budget--;
                    continue;
                }
            }

            _sweepShard = (_sweepShard + 1) % _index.Shards.Length;
            _sweepCursor = 0;
            shards++;
        }

        return true;
    }

    private int CountStripes()
    {
        int stripes = 0;
        foreach (IndexShard shard in _index.Shards)
        {
            stripes += shard.Stripes.Count;
        }

        return stripes;
    }

    /// <summary>
    /// One of so many segments was reclaimed: some more stripes are due, at most one round over all of them.
    /// </summary>
    private void OweSweep(int segments)
    {
        int stripes = CountStripes();
        int share = Math.Max(8, (int)(2L * stripes / segments));
        _sweepsDue = Math.Min(_sweepsDue + share, Math.Max(share, stripes));
    }

    private readonly struct DeadFilter(SegmentTable segments) : IExtentFilter
    {
        public bool Matches(in Extent extent) =>
            (extent.Flags & (ExtentFlags.Gap | ExtentFlags.Placeholder)) == 0
                && (segments.Generation((int)extent.Segment) & Extent.GenerationMask) != extent.Generation;
    }
}
