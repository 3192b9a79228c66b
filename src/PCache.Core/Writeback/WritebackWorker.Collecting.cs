using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Writeback;

/// <content>
/// What the next step writes back. Keeps true: keys come in log order from the dirty tail on; a group ends before the
/// first kset that a barrier stands before; a window ends where a barrier stands, whatever it costs, unless damage
/// keeps it from that.
/// </content>
internal sealed partial class WritebackWorker
{
    /// <summary>Most keys of a window: some 25 MB of memory.</summary>
    private const int MaxWindowKeys = 1 << 18;

    private readonly PageCount _pages = new();
    private readonly List<DamagedKey> _passedRelogged = [];

    /// <summary>Collects the group at the dirty tail; returns the point behind it.</summary>
    private LogPoint CollectGroup(int limitBytes, CancellationToken stop)
    {
        BeginCollecting();
        long groupBytes = 0;
        LogPoint at = _parts.Positions.DirtyTail;
        long head = _parts.Positions.KeyHead.Distance;
        while (at.Distance < head)
        {
            stop.ThrowIfCancellationRequested();
            ReadKset(at);
            bool barrier = _reader.Header.IsBarrier;
            bool full = groupBytes >= limitBytes && !_reader.Header.ContinuesBatch;
            if ((_plan.EntryCount > 0 && (barrier || full)) || _damaged.Count > 0)
            {
                break; // behind damage at once: there may be room in the log for no more than what one kset holds
            }

            groupBytes += TakeKset(at.Distance);
            at = new LogPoint(_reader.Next, at.Distance + _reader.SizeBytes);
        }

        return EndAt(at);
    }

    /// <summary>
    /// Collects, from the dirty tail on, what goes to the backing in one step: up to the last barrier within the
    /// limits. Null: no barrier stands there yet.
    /// </summary>
    private LogPoint? CollectWindow(long limitBytes, CancellationToken stop)
    {
        BeginCollecting();
        LogPoint at = _parts.Positions.DirtyTail;
        long head = _parts.Positions.KeyHead.Distance;
        long flushed = _parts.Log.Marks.Last.Distance;
        Boundary? last = null;
        long begin = at.Distance;
        bool alone = false; // a kset without number, which Linux wrote: no journal can name it
        while (at.Distance < head && _damaged.Count == 0 && !alone)
        {
            stop.ThrowIfCancellationRequested();
            ReadKset(at);
            uint sequence = _reader.Header.Sequence;
            if (at.Distance > begin && (_reader.Header.IsBarrier || at.Distance == flushed))
            {
                last = BoundaryAt(at);
                if (IsFull(limitBytes) || sequence == 0)
                {
                    break;
                }
            }

            alone = sequence == 0;
            _firstSequence = at.Distance == begin ? sequence : _firstSequence;
            _lastSequence = sequence;
            TakeKset(at.Distance);
            at = new LogPoint(_reader.Next, at.Distance + _reader.SizeBytes);
        }

        bool endsHere = alone || at.Distance == flushed || (_damaged.Count > 0 && last is null);
        if (_plan.EntryCount == 0 || endsHere)
        {
            return EndAt(at);
        }

        return last is { } boundary ? EndAt(CutTo(in boundary)) : null;
    }

    /// <summary>Collects up to a place that is known to come.</summary>
    private LogPoint CollectTo(LogPosition end, CancellationToken stop)
    {
        BeginCollecting();
        LogPoint at = _parts.Positions.DirtyTail;
        long head = _parts.Positions.KeyHead.Distance;
        while (at.Position != end)
        {
            stop.ThrowIfCancellationRequested();
            if (at.Distance >= head)
            {
                throw new PCacheCorruptionException("kset", _parts.Media.DeviceOffset(at.Position),
                    $"The log ends at {at.Position}, before {end}, where a checkpoint of it ends.");
            }

            ReadKset(at);
            TakeKset(at.Distance);
            at = new LogPoint(_reader.Next, at.Distance + _reader.SizeBytes);
        }

        return EndAt(at);
    }

    private LogPoint EndAt(LogPoint end)
    {
        foreach (DamagedKey key in _passedRelogged)
        {
            _relogged.Remove(key);
        }

        return end;
    }

    private void BeginCollecting()
    {
        _plan.Clear();
        _pages.Clear();
        _damaged.Clear();
        _passedRelogged.Clear();
        _passedKeys = 0;
        _passedBytes = 0;
        _firstSequence = _lastSequence = 0;
        _deviceLength = 0;
    }

    private bool IsFull(long limitBytes) => _pages.Bytes >= limitBytes || _plan.EntryCount >= MaxWindowKeys;

    private Boundary BoundaryAt(LogPoint at) =>
        new(at, _plan.EntryCount, _passedKeys, _passedBytes, _passedRelogged.Count, _lastSequence, _deviceLength);

    private LogPoint CutTo(in Boundary boundary)
    {
        _plan.Keep(boundary.Entries);
        _damaged.Clear();
        _passedRelogged.RemoveRange(boundary.PassedRelogged, _passedRelogged.Count - boundary.PassedRelogged);
        (_passedKeys, _passedBytes, _lastSequence, _deviceLength) =
            (boundary.PassedKeys, boundary.PassedBytes, boundary.LastSequence, boundary.DeviceLength);
        return boundary.At;
    }

    /// <summary>Takes the keys of the kset at hand; returns their bytes.</summary>
    private long TakeKset(long distance)
    {
        long bytes = 0;
        _deviceLength = Math.Max(_deviceLength, _reader.DeviceLength);
        ReadOnlySpan<CacheKey> keys = _reader.Keys;
        for (int i = 0; i < keys.Length; i++)
        {
            KeyState state = _validator.Check(in keys[i], _reader.KeyDeviceOffset(i), _parts.Segments.Generations);
            if (state == KeyState.Live && !keys[i].IsClean)
            {
                bytes += Take(in keys[i], distance);
            }
        }

        return bytes;
    }

    private void ReadKset(LogPoint at)
    {
        SequenceTracker any = default;
        KsetOutcome outcome = _reader.Read(at.Position, ref any);
        if (outcome != KsetOutcome.Valid)
        {
            throw new PCacheCorruptionException("kset", _reader.DeviceOffset,
                $"The kset at {at.Position} was whole when it was logged or replayed, now it isn't ({outcome}).");
        }
    }

    private long Take(in CacheKey key, long distance)
    {
        _passedKeys++;
        _passedBytes += key.Length;
        if (_relogged.Count > 0 && _relogged.TryGetValue(IdentityOf(in key), out long relogged) && relogged <= distance)
        {
            _passedRelogged.Add(IdentityOf(in key));
        }

        if (_verifyFirst && !IsSound(in key))
        {
            _damaged.Add(key);
            return 0;
        }

        if (_plan.EntryCount == _written.Length)
        {
            Array.Resize(ref _written, _written.Length * 2);
        }

        if (_notes)
        {
            Note(in key);
        }

        _written[_plan.EntryCount] = key;
        _pages.Add((long)key.Offset, (int)key.Length);
        _plan.Add((long)key.Offset, (int)key.Length, SourceOf(in key));
        return key.Length;
    }

    private long SourceOf(in CacheKey key) => _parts.Segments.DataOffset((int)key.Segment) + key.SegmentOffset;

    private bool IsSound(in CacheKey key) =>
        !_payloadCrc
            || Crc32C.HashToUInt32(_parts.Region.ReadSpan(SourceOf(in key), (int)key.Length)) == key.PayloadCrc;

    /// <summary>A place where a window may end, and what it would have then.</summary>
    private readonly record struct Boundary(
        LogPoint At, int Entries, long PassedKeys, long PassedBytes, int PassedRelogged, uint LastSequence,
        long DeviceLength);
}
