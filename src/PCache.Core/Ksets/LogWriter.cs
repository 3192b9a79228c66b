using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Ksets;

/// <summary>
/// Appends keys to the log.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>Payload is durable before the kset that names it: a key is added only after its payload was flushed, and the
/// region is drained before the kset is stored.</item>
/// <item>A segment is zeroed whole, durably, before it becomes part of the log; so 24 zero bytes stand durably behind
/// every kset before it is stored.</item>
/// <item>A kset is stored only after its predecessor is durable, or belongs to the same batch, whose first is stored
/// last; the head is published after what was appended is durable.</item>
/// <item>Log order is index order: a shard's keys are added under that shard's lock, and its list is taken and
/// appended under this writer's lock.</item>
/// <item>The log is always a prefix: each append takes a cut through all shards (see <see cref="LogEpoch"/>) and
/// appends it as a whole, so no write is in the log without all those that had returned before it began.</item>
/// <item>An append tells the device's length where it has grown: a key beyond the old end stands in no kset before the
/// one that does, and a length in none before the writes that had returned before it was changed.</item>
/// <item>A pending key can always be logged, without waiting: its room is reserved (see <see cref="LogRoom"/>).</item>
/// <item>A failed append loses nothing: what was taken stays, in order, in front of everything taken later.</item>
/// </list>
/// </remarks>
internal sealed partial class LogWriter
{
    /// <summary>A shard's list as long as this is logged at once, by the thread that made it so long.</summary>
    private const int PressingKeys = 8 * MediaConstants.MaxKeysPerKset;

    /// <summary>Pieces of the next segment zeroed in one call: some 0.1 ms of a maintenance step.</summary>
    private const int PiecesPerPreparation = 4;

    private readonly PmemRegion _region;
    private readonly SegmentTable _segments;
    private readonly LogPositions _positions;
    private readonly TimeProvider _clock;
    private readonly WorkSignal _work;
    private readonly Latch[] _shardLocks;
    private readonly PendingKeys[] _pending;
    private readonly LogEpoch _epoch = new();
    private readonly SteadyLock _appendLock = new(LockRank.Append);
    private readonly byte[] _kset =
        new byte[MediaConstants.KsetHeaderSize + (MediaConstants.MaxKeysPerKset * MediaConstants.KeySize)];
    private readonly TakenKeys _taken = new();
    private long _takenLength = -1; // what the kset of the taken keys tells; -1: nothing
    private readonly NextLogSegment _next;
    private uint _lastSequence;
    private bool _barrierPending = true; // what stood between the last life's keys and ours isn't known
    private bool _appendedSinceBarrier;
    private long _flushesRequested;
    private long _flushesCompleted;
    private long _persistsRequested;
    private long _persistsCompleted;

    /// <param name="region">Where the log stands.</param>
    /// <param name="segments">Where it gets segments from.</param>
    /// <param name="positions">Where it ends.</param>
    /// <param name="shardLocks">The shards' locks by shard number.</param>
    /// <param name="lastSequence">Number of the last kset.</param>
    /// <param name="length">How long the device is, in bytes.</param>
    /// <param name="room">Room for keys.</param>
    /// <param name="work">Is told when the log has moved on to a new segment: the next one should be prepared
    /// soon.</param>
    /// <param name="clock">How old pending keys are.</param>
    public LogWriter(
        PmemRegion region,
        SegmentTable segments,
        LogPositions positions,
        Latch[] shardLocks,
        uint lastSequence,
        long length,
        LogRoom room,
        WorkSignal work,
        TimeProvider clock)
    {
        Room = room;
        _work = work;
        _region = region;
        _segments = segments;
        _positions = positions;
        _shardLocks = shardLocks;
        _clock = clock;
        _next = new NextLogSegment(region, segments);
        _lastSequence = lastSequence;
        Length = new LoggedLength(_epoch, length);
        Marks = new FlushMarks(positions.KeyHead.Distance);
        _pending = new PendingKeys[shardLocks.Length];
        for (int i = 0; i < _pending.Length; i++)
        {
            _pending[i] = new PendingKeys(_epoch);
        }
    }

    /// <summary>Room for keys.</summary>
    public LogRoom Room { get; }

    /// <summary>How long the device is by the log.</summary>
    public LoggedLength Length { get; }

    /// <summary>Where the flushes stand.</summary>
    public FlushMarks Marks { get; }

    /// <summary>Keys added and not yet logged.</summary>
    public int PendingCount
    {
        get
        {
            // In this order: keys that are taken meanwhile are counted at least once, at most twice.
            int count = 0;
            foreach (PendingKeys pending in _pending)
            {
                count += pending.Count;
            }

            return count + _taken.Count;
        }
    }

    /// <summary>
    /// Adds a key whose room is reserved. The caller holds the shard's lock. Returns whether it should call
    /// <see cref="Relieve"/> once it has released it.
    /// </summary>
    public bool Add(int shard, in CacheKey key)
    {
        PendingKeys pending = _pending[shard];
        pending.Add(in key, _clock);
        return pending.Count >= MediaConstants.MaxKeysPerKset;
    }

    /// <summary>
    /// Whether <see cref="NextKey"/> can't fail, and reads no clock: to be asked when a shard's lock is about to be
    /// entered unchanged since.
    /// </summary>
    public bool IsOpen(int shard) => _pending[shard].IsOpen;

    /// <summary>
    /// As <see cref="Add"/>, for a key that the caller stores in place before it releases the shard's lock.
    /// </summary>
    public ref CacheKey NextKey(int shard, out bool relieve)
    {
        PendingKeys pending = _pending[shard];
        ref CacheKey key = ref pending.Next(_clock);
        relieve = pending.Count >= MediaConstants.MaxKeysPerKset;
        return ref key;
    }

    /// <summary>
    /// Keeps appends off: all keys that are added before it is disposed are of one epoch, and so one append logs them.
    /// Shards' locks are taken after this.
    /// </summary>
    public SteadyLock.Scope HoldAppends() => _appendLock.Hold();

    /// <summary>
    /// A shard's list is long: logs all shards' keys, at once if no other thread is appending, in any case if it is
    /// very long. A medium that fails is not the caller's error: the keys stay pending, and a caller that wants them
    /// durable gets the error.
    /// </summary>
    public void Relieve(int shard)
    {
        bool pressing;
        using (_shardLocks[shard].Hold())
        {
            pressing = _pending[shard].Count >= PressingKeys;
        }

        if (pressing)
        {
            _appendLock.Enter();
        }
        else if (!_appendLock.TryEnter())
        {
            return;
        }

        try
        {
            AppendAllForPersists();
        }
        catch (IOException)
        {
            // The next flush, and the maintenance before that, meet it again.
        }
        finally
        {
            _appendLock.Exit();
        }
    }

    /// <summary>
    /// Makes every key that was added before this call durable, and puts a barrier behind them. Concurrent calls join
    /// one another.
    /// </summary>
    /// <exception cref="IOException">The medium failed; the keys stay pending.</exception>
    public void Flush()
    {
        long request = Interlocked.Increment(ref _flushesRequested);
        using (_appendLock.Hold())
        {
            if (_flushesCompleted >= request)
            {
                return; // another flush that began after this one was asked for has done it
            }

            long covers = Volatile.Read(ref _flushesRequested);
            AppendAllForPersists();
            if (_appendedSinceBarrier)
            {
                _barrierPending = true;
                _appendedSinceBarrier = false;
                Marks.Note(_positions.KeyHead.Distance, _clock.GetUtcNow());
            }

            Invariant.Holds(
                covers >= _flushesCompleted && covers >= request, "a flush covers itself, and what earlier ones did");
            _flushesCompleted = covers;
        }
    }

    /// <summary>
    /// A truncation begins: a length that no key has brought into the log yet is no more than this. No length grows
    /// meanwhile.
    /// </summary>
    public void LimitUnloggedLength(long length)
    {
        using (_appendLock.Hold())
        {
            Length.Limit(length);
            _takenLength = -1; // taken without a key
        }
    }

    /// <summary>Logs every key that was added before this call; no barrier.</summary>
    public void AppendAll()
    {
        using (_appendLock.Hold())
        {
            AppendAllForPersists();
        }
    }

    /// <summary>
    /// Logs every key that was added before this call, so that it survives the death of the process; no barrier.
    /// Concurrent calls join one another, and flushes.
    /// </summary>
    /// <exception cref="IOException">The medium failed; the keys stay pending.</exception>
    public void Persist()
    {
        long request = Interlocked.Increment(ref _persistsRequested);
        using (_appendLock.Hold())
        {
            if (_persistsCompleted < request)
            {
                AppendAllForPersists();
            }
        }
    }

    /// <summary>How long the oldest pending key has been waiting; null: none is.</summary>
    public TimeSpan? OldestPending()
    {
        if (PendingCount == 0)
        {
            return null;
        }

        TimeSpan? oldest = null;
        for (int i = 0; i < _pending.Length; i++)
        {
            using (_shardLocks[i].Hold())
            {
                if (_pending[i].Count > 0)
                {
                    TimeSpan age = _clock.GetElapsedTime(_pending[i].Since);
                    if (oldest is null || age > oldest)
                    {
                        oldest = age;
                    }
                }
            }
        }

        using (_appendLock.Hold())
        {
            return oldest ?? (_taken.Count > 0 ? TimeSpan.MaxValue : null);
        }
    }

    /// <summary>
    /// Zeroes some of the next log segment ahead of time, without keeping other threads from appending. Returns
    /// whether there was something to do, and so may be more.
    /// </summary>
    public bool PrepareNext()
    {
        int next = _segments.PeekReserve();
        if (next < 0 || _next.IsReady(next))
        {
            return false;
        }

        for (int i = 0; i < PiecesPerPreparation && !_next.Advance(_segments.PeekReserve); i++)
        {
            // One piece each, so that a link that comes meanwhile waits for no more than that.
        }

        return true;
    }

    /// <summary>The keys that aren't logged yet, for audits of a device at rest.</summary>
    internal List<CacheKey> CopyPending()
    {
        using (_appendLock.Hold())
        {
            var keys = new List<CacheKey>(_taken.All.ToArray());
            for (int i = 0; i < _pending.Length; i++)
            {
                using (_shardLocks[i].Hold())
                {
                    keys.AddRange(_pending[i].Keys);
                }
            }

            return keys;
        }
    }
}
