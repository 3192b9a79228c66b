using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <content>
/// Appending, under this writer's lock. Keeps true: a kset is stored only after what it names is durable, and the head
/// is published after the kset is durable.
/// </content>
internal sealed partial class LogWriter
{
    /// <summary>Appends all, and takes note of whose keys are in the log now. Holds this writer's lock.</summary>
    private void AppendAllForPersists()
    {
        // before: a caller that asks later may have added a key that isn't taken
        long covers = Volatile.Read(ref _persistsRequested);
        AppendAllLocked();
        Invariant.Holds(covers >= _persistsCompleted && _taken.Count == 0, "everything taken is in the log");
        _persistsCompleted = covers;
    }

    private void AppendAllLocked()
    {
        for (int i = 0; i < _pending.Length; i++)
        {
            Take(i);
        }

        AppendTaken();
    }

    private void Take(int shard)
    {
        // What was added before whatever asks for it stands there already; what comes now may wait.
        if (_pending[shard].Count == 0)
        {
            return;
        }

        using (_shardLocks[shard].Hold())
        {
            ReadOnlySpan<CacheKey> keys = _pending[shard].Keys;
            if (keys.IsEmpty)
            {
                return;
            }

            _taken.Add(keys);
            _pending[shard].Clear();
        }
    }

    private void AppendTaken()
    {
        if (_taken.Count == 0)
        {
            return;
        }

        _region.Drain(); // the payload of everything taken
        while (_taken.Count > 0)
        {
            const int Headers = 2; // this kset's and the last one's
            int room =
                _segments.DataSize - _positions.KeyHead.Position.Offset - (Headers * MediaConstants.KsetHeaderSize);
            int keys = Math.Min(
                Math.Min(_taken.Count, MediaConstants.MaxKeysPerKset), Math.Max(room, 0) / MediaConstants.KeySize);
            if (keys == 0)
            {
                LinkNext();
                continue;
            }

            StoreKset(_taken.All[..keys]);
            _taken.Remove(keys);
        }
    }

    private void StoreKset(ReadOnlySpan<CacheKey> keys)
    {
        WrittenKeys.Check(keys, _segments);
        uint sequence = SequenceTracker.Next(_lastSequence);
        int size = MediaConstants.KsetHeaderSize + (keys.Length * MediaConstants.KeySize);
        Span<byte> bytes = _kset.AsSpan(0, size);
        MemoryMarshal.AsBytes(keys).CopyTo(bytes[MediaConstants.KsetHeaderSize..]);
        LogPosition at = _positions.KeyHead.Position;
        LogPosition next = at with { Offset = at.Offset + size };
        Invariant.Holds(next.Offset + MediaConstants.KsetHeaderSize <= _segments.DataSize,
            "behind a kset there is room for a last one");
        Invariant.Holds(sequence != 0, "a kset has a number");
        Store(at, bytes, (uint)keys.Length, KsetHeader.MakeFlags(last: false, _barrierPending, sequence));
        _lastSequence = sequence;
        _barrierPending = false;
        _appendedSinceBarrier = true;
        _positions.AdvanceHead(next, size);
        Room.Used(keys.Length, size);
    }

    /// <summary>Goes on in the next segment of the reserve: zeroed durably first, then linked by a last kset.</summary>
    private void LinkNext()
    {
        int next = _segments.PeekReserve();
        if (next < 0)
        {
            throw new PCacheFullException("The log has no segment left. Room for keys is reserved before they are "
                + "accepted, so this is a defect.");
        }

        _next.Finish(next);
        uint sequence = SequenceTracker.Next(_lastSequence);
        LogPosition at = _positions.KeyHead.Position;
        Invariant.Holds(next != at.Segment, "the log goes on in another segment");
        Store(at, _kset.AsSpan(0, MediaConstants.KsetHeaderSize), (uint)next,
            KsetHeader.MakeFlags(last: true, barrier: false, sequence));
        _lastSequence = sequence;
        int refilled = _next.Take();
        _positions.AdvanceHead(new LogPosition(next, 0), MediaConstants.KsetHeaderSize);
        Room.Linked(at.Offset, refilled);
        _work.TellNow(); // a busy log fills a segment in less time than the maintenance may sleep
    }

    private void Store(LogPosition at, Span<byte> bytes, uint countOrNext, ulong flags)
    {
        var header =
            new KsetHeader { KeyCount = countOrNext, Magic = MediaConstants.KsetMagic, FlagsAndSequence = flags };
        MemoryMarshal.Write(bytes, in header);
        header.Crc = StructureChecksum.Of(bytes[4..]);
        MemoryMarshal.Write(bytes, in header);
        long place = _segments.DataOffset(at.Segment) + at.Offset;
        _region.WriteDurably(place, bytes);
        Invariant.Holds(_region.ReadSpan(place, bytes.Length).SequenceEqual(bytes), "a kset reads as it was written");
    }
}
