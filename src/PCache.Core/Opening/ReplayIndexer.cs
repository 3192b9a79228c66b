using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Store;

namespace PCache.Core.Opening;

/// <summary>What a replayed key does to the index.</summary>
internal enum ReplayAction : uint
{
    /// <summary>Its extent goes in, as payload that the backing may not have.</summary>
    InsertDirty = 0,

    /// <summary>Its extent goes in, as payload that the backing has too.</summary>
    InsertClean = 1,

    /// <summary>What is in its range goes out.</summary>
    Remove = 2,
}

/// <summary>
/// Puts replayed keys into the index: collected by shard in batches, which are applied by helpers of its own and by
/// the caller, or by the caller alone.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>The keys of a stripe are applied in the order in which they were added: a stripe belongs to one shard, a
/// shard's batches are queued in order, at most one of them is being applied, and inside a batch keys change places
/// only with keys of other stripes.</item>
/// <item>What the index is afterwards, down to the order of its stripes, depends on the keys and on the size of a
/// batch alone, not on the helpers.</item>
/// <item>Memory is bounded: without a free buffer the caller applies a batch itself, or waits for one.</item>
/// <item>After <see cref="Complete"/> or <see cref="Dispose"/> no helper runs any more. A helper's exception comes
/// out of the next <see cref="Add"/> that hands over a batch, or of <see cref="Complete"/>.</item>
/// <item>No interrupt ends a wait; one that came stands against its thread again when that thread is done here.</item>
/// </list>
/// Why batches: keys of one stripe after the other find its index in the processor's caches, and are looked up in the
/// directory once. <see cref="Add"/>, <see cref="Complete"/> and <see cref="Dispose"/> belong to one thread.
/// </remarks>
internal sealed class ReplayIndexer : IDisposable
{
    /// <summary>
    /// Keys collected over all shards before the first batch is full, where nothing else is asked for.
    /// </summary>
    private const int DefaultPendingKeys = 1 << 16;
    private const int LeastBatchKeys = 1 << 11;
    private const int FirstCapacity = 16;

    private readonly ShardedIndex _index;
    private readonly Lane[] _lanes;
    private readonly int _batchKeys;
    private readonly int _helperCount;
    private readonly int _maxBuffers;
    private readonly ReplayBatch _own;

    // What is below belongs to the monitor of _ready.
    private readonly Queue<Lane> _ready = new();
    private readonly Stack<CacheKey[]> _free = new();
    private readonly List<Thread> _helpers = [];
    private int _buffers;
    private int _unapplied;
    private bool _stopping;
    private ExceptionDispatchInfo? _failure;

    /// <summary>Whether the caller's thread was interrupted while it waited for helpers.</summary>
    private bool _interrupted;

    /// <param name="index">The index. No other thread uses it meanwhile.</param>
    /// <param name="helpers">Number of threads to help, 0 or more; they are started when the first batch is
    /// full.</param>
    /// <param name="batchKeys">Keys of a batch; 0: as fits the number of shards.</param>
    public ReplayIndexer(ShardedIndex index, int helpers, int batchKeys = 0)
    {
        _index = index;
        _lanes = new Lane[index.Shards.Length];
        for (int i = 0; i < _lanes.Length; i++)
        {
            _lanes[i] = new Lane(index.Shards[i]);
        }

        _batchKeys = batchKeys > 0 ? batchKeys : Math.Max(LeastBatchKeys, DefaultPendingKeys / _lanes.Length);
        _helperCount = Math.Min(helpers, _lanes.Length - 1);
        _maxBuffers = _lanes.Length + (2 * (_helperCount + 1));
        _own = new ReplayBatch();
    }

    /// <summary>Takes a validated key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Add(in CacheKey key, ReplayAction action)
    {
        Lane lane = _lanes[_index.For(KeyExtents.StripeOf(in key)).Id];
        if (lane.Count == lane.Filling.Length)
        {
            MakeRoom(lane);
        }

        ref CacheKey slot = ref lane.Filling[lane.Count++];
        slot = key;
        slot.Reserved = (uint)action;
    }

    /// <summary>Returns when all keys are in the index, and the helpers have ended.</summary>
    public void Complete()
    {
        foreach (Lane lane in _lanes)
        {
            if (lane.Count > 0)
            {
                HandOver(lane);
                lane.Filling = [];
                lane.Count = 0;
            }
        }

        using (Hold())
        {
            while (_unapplied > 0 && _failure is null)
            {
                HelpOrWait();
            }
        }

        Dispose();
        _failure?.Throw();
    }

    /// <summary>Ends the helpers; what isn't applied yet is forgotten.</summary>
    public void Dispose()
    {
        using (Hold())
        {
            _stopping = true;
            Monitor.PulseAll(_ready);
        }

        foreach (Thread helper in _helpers)
        {
            Uninterrupted.Join(helper);
        }

        if (_interrupted)
        {
            _interrupted = false;
            Thread.CurrentThread.Interrupt();
        }
    }

    private void MakeRoom(Lane lane)
    {
        if (lane.Count < _batchKeys)
        {
            Array.Resize(ref lane.Filling, (int)Math.Min(_batchKeys, Math.Max(FirstCapacity, lane.Count * 2L)));
            return;
        }

        HandOver(lane);
        lane.Filling = _helperCount == 0 ? lane.Filling : TakeBuffer();
        lane.Count = 0;
    }

    /// <summary>Queues the lane's keys, or applies them where there are no helpers.</summary>
    private void HandOver(Lane lane)
    {
        if (_helperCount == 0)
        {
            _own.Apply(lane.Shard, lane.Filling.AsSpan(0, lane.Count));
            return;
        }

        using (Hold())
        {
            if (_helpers.Count == 0 && lane.Count == _batchKeys)
            {
                StartHelpers();
            }

            lane.Full.Enqueue((lane.Filling, lane.Count));
            _unapplied++;
            _buffers++;
            if (!lane.IsQueued)
            {
                lane.IsQueued = true;
                _ready.Enqueue(lane);
                Monitor.Pulse(_ready);
            }

            _failure?.Throw();
        }
    }

    private void StartHelpers()
    {
        for (int i = 0; i < _helperCount; i++)
        {
            Thread helper = new(Help) { IsBackground = true, Name = "PCache open" };
            _helpers.Add(helper);
            helper.Start();
        }
    }

    private CacheKey[] TakeBuffer()
    {
        using (Hold())
        {
            while (true)
            {
                _failure?.Throw();
                if (_free.TryPop(out CacheKey[]? buffer))
                {
                    return buffer;
                }

                if (_buffers < _maxBuffers)
                {
                    return new CacheKey[_batchKeys];
                }

                HelpOrWait();
            }
        }
    }

    private void Help()
    {
        ReplayBatch batch = new();
        using (Hold())
        {
            while (!_stopping)
            {
                if (_ready.TryDequeue(out Lane? lane))
                {
                    Apply(lane, batch);
                }
                else
                {
                    WaitForNews();
                }
            }
        }
    }

    private void HelpOrWait()
    {
        if (_ready.TryDequeue(out Lane? lane))
        {
            Apply(lane, _own);
        }
        else
        {
            WaitForNews();
        }
    }

    /// <summary>Leaves the monitor until something has changed, or may have.</summary>
    private void WaitForNews()
    {
        try
        {
            Monitor.Wait(_ready);
        }
        catch (ThreadInterruptedException)
        {
            _interrupted = true; // the monitor is held again; every waiting thread checks its condition again
            Monitor.PulseAll(_ready); // the news may have been for this thread alone
        }
    }

    private Held Hold()
    {
        Uninterrupted.Enter(_ready);
        return new Held(_ready);
    }

    /// <summary>Applies the lane's first batch. Holds the monitor when called and on return, not in between.</summary>
    private void Apply(Lane lane, ReplayBatch batch)
    {
        (CacheKey[] keys, int count) = lane.Full.Dequeue();
        Monitor.Exit(_ready);
        ExceptionDispatchInfo? failure = null;
        try
        {
            batch.Apply(lane.Shard, keys.AsSpan(0, count));
        }
        catch (Exception e)
        {
            failure = ExceptionDispatchInfo.Capture(e);
        }
        finally
        {
            Uninterrupted.Enter(_ready);
        }

        _failure ??= failure;
        _unapplied--;
        _buffers--;
        if (keys.Length == _batchKeys)
        {
            _free.Push(keys);
        }

        lane.IsQueued = lane.Full.Count > 0;
        if (lane.IsQueued)
        {
            _ready.Enqueue(lane);
        }

        Monitor.PulseAll(_ready);
    }

    /// <summary>Leaves the monitor when disposed.</summary>
    private readonly ref struct Held(object monitor)
    {
        public void Dispose() => Monitor.Exit(monitor);
    }

    /// <summary>One shard's keys.</summary>
    private sealed class Lane(IndexShard shard)
    {
        public readonly IndexShard Shard = shard;
        public readonly Queue<(CacheKey[] Keys, int Count)> Full = new();
        public CacheKey[] Filling = [];
        public int Count;

        /// <summary>Whether it is among the ready ones, or one of its batches is being applied.</summary>
        public bool IsQueued;
    }
}
