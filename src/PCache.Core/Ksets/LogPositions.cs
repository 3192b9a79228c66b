using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// A position in the log together with its distance, in bytes of ksets, from where the log was opened: so that
/// positions can be compared.
/// </summary>
internal readonly record struct LogPoint(LogPosition Position, long Distance);

/// <summary>
/// The log's three positions: key tail &lt;= dirty tail &lt;= key head, all in log order.
/// </summary>
/// <remarks>
/// Keeps true: a position is durable on the medium before it is published here, so code that acts on a published tail
/// (GC on the dirty tail, reuse of segments on the key tail) acts on something that a crash can't take back; the
/// dirty tail that GC may use is the OLDER of its two replicas. The head is advanced by the log's writer, the dirty
/// tail by write-back, the key tail by GC: one thread each at a time.
/// </remarks>
internal sealed class LogPositions
{
    private readonly PmemRegion _region;
    private readonly SteadyLock _lock = new();
    private ReplicaState _keyTailReplicas;
    private ReplicaState _dirtyTailReplicas;
    private LogPoint _keyHead;
    private LogPoint _dirtyTail;
    private LogPoint _dirtyTailOlder;
    private LogPoint _keyTail;
    private LogPoint _keyTailOlder;

    public LogPositions(
        PmemRegion region, ReplicaState keyTailReplicas, ReplicaState dirtyTailReplicas, LogPoint keyTail,
        LogPoint dirtyTail, LogPoint keyHead)
    {
        Invariant.Holds(keyTail.Distance <= dirtyTail.Distance && dirtyTail.Distance <= keyHead.Distance,
            "key tail <= dirty tail <= key head at the open");
        _region = region;
        _keyTailReplicas = keyTailReplicas;
        _dirtyTailReplicas = dirtyTailReplicas;
        _keyTail = keyTail;
        _dirtyTail = dirtyTail;
        _keyHead = keyHead;

        // What the other replica says is not known to be on the way from the key tail: nothing is collected until it
        // was rewritten.
        _dirtyTailOlder = keyTail;

        // Nor what the key tail's other replica says: it lies somewhere before.
        _keyTailOlder = keyTail with { Distance = long.MinValue };
    }

    /// <summary>Where the next kset goes.</summary>
    public LogPoint KeyHead
    {
        get
        {
            using (_lock.Hold())
            {
                return _keyHead;
            }
        }
    }

    /// <summary>First kset not yet written back.</summary>
    public LogPoint DirtyTail
    {
        get
        {
            using (_lock.Hold())
            {
                return _dirtyTail;
            }
        }
    }

    /// <summary>How far GC may go: the older of the dirty tail's two replicas.</summary>
    public LogPoint CollectLimit
    {
        get
        {
            using (_lock.Hold())
            {
                return _dirtyTailOlder;
            }
        }
    }

    /// <summary>Where a replay would start.</summary>
    public LogPoint KeyTail
    {
        get
        {
            using (_lock.Hold())
            {
                return _keyTail;
            }
        }
    }

    /// <summary>Where a replay would start if the latest replica were lost: the older of the key tail's two.</summary>
    public LogPoint KeyTailOlder
    {
        get
        {
            using (_lock.Hold())
            {
                return _keyTailOlder;
            }
        }
    }

    /// <summary>Publishes the head: the kset before it is durable.</summary>
    public void AdvanceHead(LogPosition position, int bytes)
    {
        using (_lock.Hold())
        {
            Invariant.Holds(bytes >= 0 && position.Offset >= 0, "the key head goes forward");
            _keyHead = new LogPoint(position, _keyHead.Distance + bytes);
        }
    }

    /// <summary>
    /// Moves the dirty tail, durably; also used with the present value, to bring both replicas to it.
    /// </summary>
    public void WriteDirtyTail(LogPoint point)
    {
        Invariant.Holds(point.Distance >= DirtyTail.Distance, "the dirty tail goes forward");
        Invariant.Holds(point.Distance <= KeyHead.Distance, "the dirty tail stays behind the key head");
        Write(MediaConstants.DirtyTailOffset, point.Position, ref _dirtyTailReplicas);
        using (_lock.Hold())
        {
            Invariant.Holds(_keyTail.Distance <= _dirtyTail.Distance, "key tail <= dirty tail");
            _dirtyTailOlder = _dirtyTail;
            _dirtyTail = point;
        }
    }

    /// <summary>
    /// Moves the key tail, durably; in both replicas when <paramref name="both"/> (a log segment is given up, or the
    /// log is emptied for a truncation).
    /// </summary>
    public void WriteKeyTail(LogPoint point, bool both)
    {
        Invariant.Holds(point.Distance >= KeyTail.Distance, "the key tail goes forward");
        Invariant.Holds(point.Distance <= CollectLimit.Distance,
            "the key tail stays behind the older of the dirty tail's replicas");
        Write(MediaConstants.KeyTailOffset, point.Position, ref _keyTailReplicas);
        if (both)
        {
            Write(MediaConstants.KeyTailOffset, point.Position, ref _keyTailReplicas);
        }

        using (_lock.Hold())
        {
            _keyTailOlder = both ? point : _keyTail;
            _keyTail = point;
        }
    }

    private void Write(long offset, LogPosition position, ref ReplicaState replicas)
    {
        var record = new PositionRecord { Segment = (uint)position.Segment, Offset = (uint)position.Offset };
        Replicas.Write(_region, offset, MediaConstants.PositionStride, ref record, ref replicas);
    }
}
