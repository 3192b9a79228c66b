using PCache.Core.Ksets;
using PCache.Core.Layout;

namespace PCache.Core.Writeback;

/// <content>
/// Windows of a backing that has its own rules for them (<see cref="IWindowBacking"/>). Keeps true: a window ends at
/// a barrier where the backing said that it may; every payload is verified before the window is begun; the dirty tail
/// moves only after the flush that ends it; a window that fails is taken back before anything else is written.
/// </content>
internal sealed partial class WritebackWorker
{
    private readonly IWindowBacking? _windows;
    private bool _notes; // keys go to the backing's notes as they are collected
    private bool _refusedKey;

    /// <summary>Writes a window, if the backing takes one. False: what comes next goes group by group.</summary>
    private bool TryWindow(bool pressing, CancellationToken stop)
    {
        long limit = _options.CheckpointBytes;
        limit = pressing ? Math.Min(limit, Math.Max(_parts.Segments.DataSize, limit / 4)) : limit;
        _verifyFirst = false;
        bool takes = false;
        CallBacking(() => takes = _windows!.TryCollect());
        if (!takes || CollectOwnWindow(limit, stop) is not { } end || !AllSound(stop))
        {
            return false;
        }

        CallBacking(() => WriteWindow(end, stop));
        Pass(end);
        return true;
    }

    private void CallBacking(Action call)
    {
        _callingBacking = true;
        try
        {
            call();
        }
        catch (Exception e) when (NoteBackingError(e))
        {
            throw;
        }
        finally
        {
            _callingBacking = false;
        }
    }

    private void WriteWindow(LogPoint end, CancellationToken stop)
    {
        BuildPlan();
        bool done = false;
        try
        {
            _windows!.Begin();
            do
            {
                _ = _writer.WriteRuns(_plan, static _ => true, stop);
            }
            while (_windows.NextPass());

            stop.ThrowIfCancellationRequested();
            Settle(end);
            done = true;
        }
        finally
        {
            if (!done)
            {
                _windows!.Abandon();
            }
        }
    }

    private bool AllSound(CancellationToken stop)
    {
        for (int i = 0; i < _plan.EntryCount; i++)
        {
            stop.ThrowIfCancellationRequested();
            if (!IsSound(in _written[i]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Null: no place where the backing lets a window end lies within the limits.</summary>
    private LogPoint? CollectOwnWindow(long limitBytes, CancellationToken stop)
    {
        BeginCollecting();
        LogPoint at = _parts.Positions.DirtyTail;
        long head = _parts.Positions.KeyHead.Distance;
        long flushed = _parts.Log.Marks.Last.Distance;
        long begin = at.Distance;
        Boundary? last = null;
        _refusedKey = false;
        _notes = true;
        try
        {
            while (true)
            {
                stop.ThrowIfCancellationRequested();
                bool atHead = at.Distance >= head;
                if (!atHead)
                {
                    ReadKset(at);
                }

                bool barrier = at.Distance == flushed || (!atHead && _reader.Header.IsBarrier);
                if (at.Distance > begin && barrier && _plan.EntryCount > 0 && _windows!.MayEnd(_lastSequence))
                {
                    last = BoundaryAt(at);
                }

                if (atHead || (last is not null && IsFull(limitBytes)) || _reader.Header.Sequence == 0)
                {
                    break;
                }

                _lastSequence = _reader.Header.Sequence;
                TakeKset(at.Distance);
                if (_refusedKey)
                {
                    break;
                }

                at = new LogPoint(_reader.Next, at.Distance + _reader.SizeBytes);
            }
        }
        finally
        {
            _notes = false;
        }

        return last is { } boundary ? EndAt(CutTo(in boundary)) : null;
    }

    private void Note(in CacheKey key) =>
        _refusedKey = _refusedKey || !IsNotable(in key);

    private bool IsNotable(in CacheKey key) =>
        ((long)key.Offset != 0 || IsSound(in key))
        && _windows!.TryNote((long)key.Offset, _parts.Region.ReadSpan(SourceOf(in key), (int)key.Length));
}
