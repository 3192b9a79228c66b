using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <content>
/// Appending, under this writer's lock. Keeps true: what is taken is a cut through all shards, without any key of the
/// present epoch; a kset is stored only after what it names is durable, and the head is published after the kset is
/// durable; nothing is stored at the head while something of a failed append may stand there.
/// </content>
internal sealed partial class LogWriter
{
    /// <summary>Appends all, and takes note of whose keys are in the log now. Holds this writer's lock.</summary>
    private void AppendAllForPersists()
    {
        // before: a caller that asks later may have added a key that isn't taken
        long covers = Volatile.Read(ref _persistsRequested);
        TakeAll();
        AppendTaken();
        Invariant.Holds(covers >= _persistsCompleted && _taken.Count == 0, "everything taken is in the log");
        _persistsCompleted = covers;
    }

    /// <summary>
    /// Takes a cut through all shards: whatever returned before a key of it was begun to be written is in it, or was
    /// taken before.
    /// </summary>
    private void TakeAll()
    {
        long epoch = _epoch.Raise();
        for (int i = 0; i < _pending.Length; i++)
        {
            Take(i, epoch);
        }

        // behind the keys: whatever lies beyond the old end is of no older epoch than the length
        _takenLength = Math.Max(_takenLength, Length.UnloggedBefore(epoch));
    }

    private void Take(int shard, long epoch)
    {
        // What was added before whatever asks for it stands there already; what comes now may wait.
        PendingKeys pending = _pending[shard];
        if (pending.Count == 0)
        {
            return;
        }

        using (_shardLocks[shard].Hold())
        {
            ReadOnlySpan<CacheKey> keys = pending.OlderThan(epoch);
            if (keys.IsEmpty)
            {
                return;
            }

            _taken.Add(keys);
            pending.Remove(keys.Length, _clock);
        }
    }

    private void AppendTaken()
    {
        if (_taken.Count == 0)
        {
            return;
        }

        ClearHead();
        int keys = KeysThatFit(_positions.KeyHead.Position.Offset, _taken.Count);
        if (keys == 0)
        {
            LinkNext();
            keys = KeysThatFit(_positions.KeyHead.Position.Offset, _taken.Count);
        }

        if (keys < _taken.Count)
        {
            StoreBatch(keys);
        }
        else
        {
            _region.Drain(); // the payload of everything taken
            StoreKset(_taken.All);
        }

        _taken.Remove(_taken.Count);
        Length.NoteLogged(_takenLength);
        _takenLength = -1;
    }

    /// <summary>How many of some keys a kset can hold that stands at an offset.</summary>
    private int KeysThatFit(int offset, int keys)
    {
        const int Headers = 2; // this kset's and the last one's
        int room = _segments.DataSize - offset - (Headers * MediaConstants.KsetHeaderSize);
        return Math.Min(Math.Min(keys, MediaConstants.MaxKeysPerKset), Math.Max(room, 0) / MediaConstants.KeySize);
    }

    /// <summary>
    /// What a failed append may have left at the head goes, durably: with it there, what is stored behind it for the
    /// next try would be part of the log bit by bit.
    /// </summary>
    private void ClearHead()
    {
        if (_headMayHold)
        {
            LogPosition head = _positions.KeyHead.Position;
            RegionZeroing.Zero(
                _region, _segments.DataOffset(head.Segment) + head.Offset, MediaConstants.KsetHeaderSize);
            _headMayHold = false;
        }
    }

    /// <summary>Appends one kset: all that was taken.</summary>
    private void StoreKset(ReadOnlySpan<CacheKey> keys)
    {
        uint sequence = SequenceTracker.Next(_lastSequence);
        LogPosition at = _positions.KeyHead.Position;
        Invariant.Holds(sequence != 0, "a kset has a number");
        StoreHead(at, PrepareFirst(keys, KsetHeader.MakeFlags(last: false, _barrierPending, sequence)));
        int size = KsetBytes(keys.Length);
        Advance(at with { Offset = at.Offset + size }, size, keys.Length, size, sequence);
    }

    /// <summary>The head is behind what was appended, durably.</summary>
    private void Advance(LogPosition next, int bytes, int keys, int ksetBytes, uint sequence)
    {
        _lastSequence = sequence;
        _barrierPending = false;
        _appendedSinceBarrier = true;
        _positions.AdvanceHead(next, bytes);
        Room.Used(keys, ksetBytes);
    }

    /// <summary>Goes on in the next segment of the reserve: zeroed durably first, then linked by a last kset.</summary>
    private void LinkNext()
    {
        LogPosition at = _positions.KeyHead.Position;
        int next = BatchTarget(0, at.Offset);
        uint sequence = SequenceTracker.Next(_lastSequence);
        Invariant.Holds(next != at.Segment, "the log goes on in another segment");
        StoreHead(at, PrepareLink(next, KsetHeader.MakeFlags(last: true, barrier: false, sequence)));
        _lastSequence = sequence;
        _targets.Clear();
        _positions.AdvanceHead(new LogPosition(next, 0), MediaConstants.KsetHeaderSize);
    }

    /// <summary>
    /// Stores what was prepared at the log's head, where readers will follow it from now on, durably.
    /// </summary>
    private void StoreHead(LogPosition at, ReadOnlySpan<byte> bytes)
    {
        long place = _segments.DataOffset(at.Segment) + at.Offset;
        _headMayHold = true;
        _region.WriteDurably(place, bytes);
        _headMayHold = false;
        Invariant.Holds(_region.ReadSpan(place, bytes.Length).SequenceEqual(bytes), "a kset reads as it was written");
    }

    private static int KsetBytes(int keys) => MediaConstants.KsetHeaderSize + (keys * MediaConstants.KeySize);

    private Span<byte> Prepare(ReadOnlySpan<CacheKey> keys, ulong flags, uint firstReserved = 0)
    {
        WrittenKeys.Check(keys, _segments);
        Span<byte> bytes = _kset.AsSpan(0, KsetBytes(keys.Length));
        Span<CacheKey> stored = MemoryMarshal.Cast<byte, CacheKey>(bytes[MediaConstants.KsetHeaderSize..]);
        keys.CopyTo(stored);
        stored[0].Reserved = firstReserved;
        return Seal(bytes, (uint)keys.Length, flags);
    }

    /// <summary>
    /// The kset of an append that is stored last: it tells the device's length, where that has changed.
    /// </summary>
    private Span<byte> PrepareFirst(ReadOnlySpan<CacheKey> keys, ulong flags)
    {
        Invariant.Holds(_takenLength <= KsetHeader.MaxDeviceLength, "a kset can tell the length");
        return _takenLength < 0 ? Prepare(keys, flags)
            : Prepare(keys, flags | KsetHeader.LengthFlags(_takenLength), (uint)_takenLength);
    }

    private Span<byte> PrepareLink(int next, ulong flags) =>
        Seal(_kset.AsSpan(0, MediaConstants.KsetHeaderSize), (uint)next, flags);

    private static Span<byte> Seal(Span<byte> bytes, uint countOrNext, ulong flags)
    {
        var header =
            new KsetHeader { KeyCount = countOrNext, Magic = MediaConstants.KsetMagic, FlagsAndSequence = flags };
        MemoryMarshal.Write(bytes, in header);
        header.Crc = StructureChecksum.Of(bytes[4..]);
        MemoryMarshal.Write(bytes, in header);
        return bytes;
    }
}
