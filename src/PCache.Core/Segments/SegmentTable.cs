using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Segments;

/// <summary>What a segment is used for.</summary>
internal enum SegmentUse : byte
{
    /// <summary>Holds nothing; in one of the pools.</summary>
    Free = 0,

    /// <summary>Holds ksets that a replay would read, or is the log's head.</summary>
    Log = 1,

    /// <summary>Holds payload that some key from the key tail on names, or is a data head.</summary>
    Data = 2,
}

/// <summary>
/// The segments of one cache by chain position: use, reference count, generation; and the two pools of free ones.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>A data segment's count is the number of keys from the key tail on that took a reference, plus payload handed
/// out whose key isn't logged yet, plus one while it is a data head. It is given back only at zero, and only by
/// <see cref="Reclaim"/>.</item>
/// <item>The generation in memory is raised, with a full fence, before the segment can be handed out again: a reader
/// that copied payload and still sees the generation it started with has copied payload that wasn't overwritten
/// meanwhile.</item>
/// <item>The raised generation is durable, in both replicas, before the segment is in a pool.</item>
/// <item>No payload segment goes back to a pool, and none is in one after an open, with a kset at its head: the
/// reader looks there for more of the log.</item>
/// <item>The log's reserve is filled first; payload only ever comes from the other pool, so the log can always move
/// on.</item>
/// <item>A generation never wraps: a segment that has the last one isn't given out again.</item>
/// </list>
/// Counts and generations are safe from any thread; the pools have one lock.
/// </remarks>
internal sealed partial class SegmentTable
{
    private readonly PmemRegion _region;
    private readonly Geometry _geometry;
    private readonly int[] _chain;
    private readonly ulong[] _generations;
    private readonly ReplicaState[] _generationReplicas;
    private readonly int[] _references;
    private readonly SegmentUse[] _uses;
    private readonly bool[] _raiseBeforeUse;
    private readonly SteadyLock _poolLock = new(LockRank.Pool);
    private readonly Queue<int> _free = new();
    private readonly Queue<int> _reserve = new();
    private readonly Queue<int> _unreferenced = new();
    private readonly int _reserveTarget;
    private readonly WorkSignal _work;
    private int _usedCount;

    public SegmentTable(
        PmemRegion region, Geometry geometry, int[] chain, ulong[] generations, ReplicaState[] generationReplicas,
        int reserveTarget, WorkSignal work)
    {
        _work = work;
        _region = region;
        _geometry = geometry;
        _chain = chain;
        _generations = generations;
        _generationReplicas = generationReplicas;
        _references = new int[chain.Length];
        _uses = new SegmentUse[chain.Length];
        _raiseBeforeUse = new bool[chain.Length];
        _reserveTarget = reserveTarget;
    }

    /// <summary>Segments that are kept free for the log, where there are enough.</summary>
    public int ReserveTarget => _reserveTarget;

    /// <summary>Number of segments in the chain.</summary>
    public int Count => _chain.Length;

    /// <summary>Bytes of a data area.</summary>
    public int DataSize => _geometry.DataSize;

    /// <summary>Segments in use for log or payload.</summary>
    public int UsedCount => Volatile.Read(ref _usedCount);

    /// <summary>Device offset of a segment's data area.</summary>
    public long DataOffset(int segment) => _geometry.DataOffset(_chain[segment]);

    /// <summary>Current generation.</summary>
    public ulong Generation(int segment) => Volatile.Read(ref _generations[segment]);

    /// <summary>Current generations by chain position.</summary>
    public ReadOnlySpan<ulong> Generations => _generations;

    /// <summary>Current reference count.</summary>
    public int References(int segment) => Volatile.Read(ref _references[segment]);

    /// <summary>Free segments that payload may have.</summary>
    public int FreeCount
    {
        get
        {
            using (_poolLock.Hold())
            {
                return _free.Count;
            }
        }
    }

    /// <summary>Free segments kept for the log, for audits of a device at rest.</summary>
    internal int ReserveCount
    {
        get
        {
            using (_poolLock.Hold())
            {
                return _reserve.Count;
            }
        }
    }

    /// <summary>
    /// Counts all segments by use; retired ones have had their last generation. The sum is <see cref="Count"/>.
    /// </summary>
    public void CountUses(out int free, out int reserved, out int log, out int data, out int retired)
    {
        using (_poolLock.Hold())
        {
            free = _free.Count;
            reserved = _reserve.Count;
            log = _uses.AsSpan().Count(SegmentUse.Log);
            data = _uses.AsSpan().Count(SegmentUse.Data);
            retired = _uses.Length - free - reserved - log - data;
        }
    }

    /// <summary>While replaying: sets the number of live keys.</summary>
    public void SetReferences(int segment, int count)
    {
        Invariant.Holds(count >= 0, $"segment {segment} has {count} live keys");
        _references[segment] = count;
    }

    /// <summary>Takes references. Only where one is held already.</summary>
    public void AddReference(int segment, int count = 1)
    {
        int now = Interlocked.Add(ref _references[segment], count);
        Invariant.Holds(count > 0 && now > count,
            $"references of segment {segment} are taken where none is held ({now} with {count} more)");
    }

    /// <summary>Drops references; at zero the segment waits for <see cref="Reclaim"/>.</summary>
    public void DropReference(int segment, int count = 1)
    {
        int left = Interlocked.Add(ref _references[segment], -count);
        Invariant.Holds(count > 0 && left >= 0, $"segment {segment} is left with {left} references");
        if (left == 0)
        {
            using (_poolLock.Hold())
            {
                _unreferenced.Enqueue(segment);
            }

            _work.TellNow(); // the thread that reclaims may be asleep
        }
        else if (left < 0)
        {
            throw new InvalidOperationException($"Reference count of segment {segment} fell below zero.");
        }
    }

    /// <summary>While replaying: the segment is part of the log.</summary>
    public void MarkLog(int segment)
    {
        if (_uses[segment] != SegmentUse.Log)
        {
            _uses[segment] = SegmentUse.Log;
            _usedCount++;
        }
    }

    /// <summary>
    /// After replaying: referenced segments hold payload, the rest is free. Returns how many went to the log's
    /// reserve.
    /// </summary>
    public int BuildPools()
    {
        int reserved = 0;
        for (int i = 0; i < Count; i++)
        {
            if (_uses[i] == SegmentUse.Log)
            {
                continue;
            }

            if (_references[i] > 0)
            {
                _uses[i] = SegmentUse.Data;
                _usedCount++;
                continue;
            }

            if (_generations[i] == ulong.MaxValue)
            {
                _uses[i] = SegmentUse.Data;
                _usedCount++;
                continue;
            }

            // Keys of an earlier life may still name this generation; see rule 7 of the replay.
            _raiseBeforeUse[i] = true;
            if (_reserve.Count < _reserveTarget)
            {
                _reserve.Enqueue(i);
                reserved++;
            }
            else
            {
                _free.Enqueue(i);
            }
        }

        return reserved;
    }

    /// <summary>Takes a segment for payload, with one reference held by the caller; -1 if there is none.</summary>
    public int TakeForData()
    {
        int segment;
        using (_poolLock.Hold())
        {
            if (!_free.TryDequeue(out segment))
            {
                return -1;
            }

            Invariant.Holds(_uses[segment] == SegmentUse.Free && _references[segment] == 0,
                $"segment {segment} is free when it is taken for payload");
            _uses[segment] = SegmentUse.Data;
            _references[segment] = 1;
            _usedCount++;
            Invariant.Holds(_usedCount <= Count, "no more segments are used than there are");
        }

        try
        {
            RaiseIfNeeded(segment);
        }
        catch
        {
            using (_poolLock.Hold())
            {
                _uses[segment] = SegmentUse.Free;
                _references[segment] = 0;
                _usedCount--;
                _free.Enqueue(segment);
            }

            throw;
        }

        return segment;
    }

    /// <summary>The segment that <see cref="TakeForLog"/> will yield; -1 if the reserve is empty.</summary>
    public int PeekReserve()
    {
        using (_poolLock.Hold())
        {
            return _reserve.TryPeek(out int segment) ? segment : -1;
        }
    }

    /// <summary>
    /// Takes the first segment of the reserve for the log, and refills the reserve from the free ones. Returns -1 if
    /// the reserve is empty; <paramref name="refilled"/>: segments that the reserve gained.
    /// </summary>
    public int TakeForLog(out int refilled)
    {
        refilled = 0;
        using (_poolLock.Hold())
        {
            if (!_reserve.TryDequeue(out int segment))
            {
                return -1;
            }

            Invariant.Holds(_uses[segment] == SegmentUse.Free && _references[segment] == 0,
                $"segment {segment} is free when it is taken for the log");
            Invariant.Holds(
                !_raiseBeforeUse[segment], $"the generation of segment {segment} is raised before it becomes log");
            _uses[segment] = SegmentUse.Log;
            _usedCount++;
            while (_reserve.Count < _reserveTarget && _free.TryDequeue(out int more))
            {
                _reserve.Enqueue(more);
                refilled++;
            }

            return segment;
        }
    }
}
