using System.Diagnostics;
using System.Numerics;
using PCache.Core.Primitives;

namespace PCache.Core.Writeback;

/// <summary>
/// What one barrier group writes to the backing: entries go in in log order, and out come sorted, merged, aligned runs.
/// </summary>
/// <remarks>
/// What it keeps true after <see cref="Build"/>: each byte that was added, and lies before the end of the device, is
/// in exactly one piece, with the source of the entry that was added last; pieces are sorted and disjoint, and each
/// lies in one run; runs are sorted, and no two of them share a block, so they may be issued in parallel; a run
/// begins at a block boundary and ends at one or at the end of the device, and has no more bytes than were asked for
/// (but at least a block); each block of a run has a byte of a piece. Reusable: allocates only to grow. Not
/// thread-safe.
/// </remarks>
internal sealed partial class WritebackPlan
{
    private const int InitialCapacity = 128;
    private const int MaxBlockSize = 65536;
    private const int RadixBits = 11;
    private const int MinRadixEntries = 256;

    // Entry i was added as the i-th, so a greater index is a later version. Build sorts offsets, and the indexes
    // along with them.
    private Entry[] _entries = new Entry[InitialCapacity];
    private long[] _offsets = new long[InitialCapacity];
    private int[] _order = new int[InitialCapacity];
    private long[] _sortOffsets = [];
    private int[] _sortOrder = [];
    private int[] _heap = new int[InitialCapacity];
    private int _entryCount;
    private int _heapCount;

    private WritebackPiece[] _pieces = new WritebackPiece[InitialCapacity];
    private WritebackRun[] _runs = new WritebackRun[InitialCapacity];
    private int _pieceCount;
    private int _runCount;

    // The run that is being built: its pieces are those from _runFirstPiece on, and it may reach up to _runLimit.
    private long _runStart;
    private long _runLimit;
    private int _runFirstPiece;
    private long _runPieceBytes;

    /// <summary>Entries added since <see cref="Clear"/>.</summary>
    public int EntryCount => _entryCount;

    /// <summary>
    /// What to write, in order of offset. Valid until the next <see cref="Clear"/> or <see cref="Build"/>.
    /// </summary>
    public ReadOnlySpan<WritebackRun> Runs => _runs.AsSpan(0, _runCount);

    /// <summary>
    /// What the runs consist of, in order of offset. Valid until the next <see cref="Clear"/> or <see cref="Build"/>.
    /// </summary>
    public ReadOnlySpan<WritebackPiece> Pieces => _pieces.AsSpan(0, _pieceCount);

    /// <summary>
    /// The offsets of all entries in order. Valid until the next <see cref="Clear"/> or <see cref="Build"/>.
    /// </summary>
    public ReadOnlySpan<long> SortedOffsets => _offsets.AsSpan(0, _entryCount);

    /// <summary>Which entry, in order of adding, has each of <see cref="SortedOffsets"/>.</summary>
    public ReadOnlySpan<int> SortedEntries => _order.AsSpan(0, _entryCount);

    /// <summary>Bytes of all entries as they were added.</summary>
    public long AddedBytes { get; private set; }

    /// <summary>Bytes of all pieces: what is left of the entries.</summary>
    public long PieceBytes { get; private set; }

    /// <summary>Bytes of all runs: pieces and fill.</summary>
    public long RunBytes { get; private set; }

    /// <summary>Forgets entries and result; keeps the memory.</summary>
    public void Clear()
    {
        _entryCount = 0;
        AddedBytes = 0;
        ClearResult();
    }

    /// <summary>
    /// Adds the next entry in log order: <paramref name="lengthBytes"/> bytes at <paramref name="offset"/> of the
    /// backing, from <paramref name="source"/> in the region.
    /// </summary>
    public void Add(long offset, int lengthBytes, long source)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, long.MaxValue - lengthBytes - MaxBlockSize);
        if (_entryCount == _entries.Length)
        {
            int capacity = _entryCount * 2;
            Array.Resize(ref _entries, capacity);
            _offsets = new long[capacity];
            _order = new int[capacity];
            _heap = new int[capacity];
        }

        _entries[_entryCount++] = new Entry { Offset = offset, End = offset + lengthBytes, Source = source };
        AddedBytes += lengthBytes;
    }

    /// <summary>Forgets all but the first entries.</summary>
    public void Keep(int entries)
    {
        for (int i = entries; i < _entryCount; i++)
        {
            AddedBytes -= _entries[i].End - _entries[i].Offset;
        }

        _entryCount = entries;
    }

    /// <summary>
    /// Makes runs of the entries. <paramref name="blockSize"/>: a power of two, 1 (no alignment) to 65536.
    /// <paramref name="deviceLength"/>: bytes; nothing is written past it. <paramref name="maxRunBytes"/>: upper
    /// bound of a run, rounded down to blocks, but at least one block.
    /// </summary>
    public void Build(int blockSize, long deviceLength, int maxRunBytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(blockSize);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(blockSize, MaxBlockSize);
        ArgumentOutOfRangeException.ThrowIfNegative(deviceLength);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(maxRunBytes);
        if (!BitOperations.IsPow2(blockSize))
        {
            throw new ArgumentOutOfRangeException(nameof(blockSize), blockSize, "Not a power of two.");
        }

        ClearResult();
        for (int i = 0; i < _entryCount; i++)
        {
            _offsets[i] = _entries[i].Offset;
            _order[i] = i;
        }

        Sort();
        RunShape shape = new(blockSize, deviceLength, Math.Max(blockSize, maxRunBytes & -blockSize));
        Sweep(in shape);
        CloseRun(in shape);
        CheckRuns(in shape);
    }

    /// <summary>
    /// Sorts offsets, and the order along with them, by the bits in which the offsets differ: lowest digit first,
    /// each pass stable. A comparing sort costs several times as much for a group's thousands of entries.
    /// </summary>
    private void Sort()
    {
        int count = _entryCount;
        if (count < MinRadixEntries)
        {
            _offsets.AsSpan(0, count).Sort(_order.AsSpan(0, count));
            return;
        }

        if (_sortOffsets.Length < _offsets.Length)
        {
            // As long as what they change places with, however few entries there are now: there may be more next time.
            _sortOffsets = new long[_offsets.Length];
            _sortOrder = new int[_offsets.Length];
        }

        ulong differing = 0;
        foreach (long offset in _offsets.AsSpan(0, count))
        {
            differing |= (ulong)(offset ^ _offsets[0]);
        }

        Span<int> places = stackalloc int[1 << RadixBits];
        int end = 64 - BitOperations.LeadingZeroCount(differing);
        int begin = differing == 0 ? end : BitOperations.TrailingZeroCount(differing);
        for (int shift = begin; shift < end; shift += RadixBits)
        {
            ReadOnlySpan<long> offsets = _offsets.AsSpan(0, count);
            ReadOnlySpan<int> order = _order.AsSpan(0, count);
            places.Clear();
            foreach (long offset in offsets)
            {
                places[(int)(offset >> shift) & ((1 << RadixBits) - 1)]++;
            }

            int before = 0;
            foreach (ref int place in places)
            {
                (place, before) = (before, before + place);
            }

            for (int i = 0; i < offsets.Length; i++)
            {
                int to = places[(int)(offsets[i] >> shift) & ((1 << RadixBits) - 1)]++;
                _sortOffsets[to] = offsets[i];
                _sortOrder[to] = order[i];
            }

            (_offsets, _sortOffsets) = (_sortOffsets, _offsets);
            (_order, _sortOrder) = (_sortOrder, _order);
        }
    }

    /// <summary>
    /// Goes over the entries by offset. The heap holds those that have begun, the latest version on top: from it
    /// comes what is at the current position.
    /// </summary>
    private void Sweep(in RunShape shape)
    {
        int next = 0;
        long position = 0;
        while (true)
        {
            while (_heapCount > 0 && _entries[_heap[0]].End <= position)
            {
                PopHeap();
            }

            if (_heapCount == 0)
            {
                if (next == _entryCount || _offsets[next] >= shape.DeviceLength)
                {
                    return;
                }

                position = _offsets[next];
                ref readonly Entry only = ref _entries[_order[next]];
                if (only.End <= shape.DeviceLength && (next + 1 == _entryCount || _offsets[next + 1] >= only.End))
                {
                    // Nothing overlaps it: the common case, which needs no heap.
                    Emit(position, only.End, only.Source, in shape);
                    position = only.End;
                    next++;
                    continue;
                }
            }

            while (next < _entryCount && _offsets[next] <= position)
            {
                PushHeap(_order[next++]);
            }

            ref readonly Entry top = ref _entries[_heap[0]];
            long end = next < _entryCount ? Math.Min(top.End, _offsets[next]) : top.End;
            end = Math.Min(end, shape.DeviceLength);
            if (end <= position)
            {
                // Only the end of the device stops the sweep inside an entry.
                _heapCount = 0;
                return;
            }

            Emit(position, end, top.Source + (position - top.Offset), in shape);
            position = end;
        }
    }

    /// <summary>
    /// Appends [start, end), which begins where the last piece ends or later, to the current run, and opens new runs
    /// as needed.
    /// </summary>
    private void Emit(long start, long end, long source, in RunShape shape)
    {
        PieceBytes += end - start;
        while (start < end)
        {
            if (_runFirstPiece < _pieceCount)
            {
                ref WritebackPiece last = ref _pieces[_pieceCount - 1];
                long lastEnd = last.Offset + last.LengthBytes;
                bool near = start == lastEnd || shape.RoundDown(start) < shape.RoundUp(lastEnd);
                if (!near || start >= _runLimit)
                {
                    CloseRun(in shape);
                }
                else if (start == lastEnd && source == last.Source + last.LengthBytes)
                {
                    // Contiguous in the region too, so one piece will do.
                    int more = (int)(Math.Min(end, _runLimit) - start);
                    last = last with { LengthBytes = last.LengthBytes + more };
                    _runPieceBytes += more;
                    start += more;
                    source += more;
                    continue;
                }
            }

            if (_runFirstPiece == _pieceCount)
            {
                _runStart = shape.RoundDown(start);
                _runLimit = _runStart + shape.MaxRunBytes;
            }

            int lengthBytes = (int)(Math.Min(end, _runLimit) - start);
            if (_pieceCount == _pieces.Length)
            {
                Array.Resize(ref _pieces, _pieceCount * 2);
            }

            _pieces[_pieceCount++] = new WritebackPiece(start, lengthBytes, source);
            _runPieceBytes += lengthBytes;
            start += lengthBytes;
            source += lengthBytes;
        }
    }

    /// <summary>
    /// Runs are in order, apart, whole blocks inside the device, and their pieces lie in them, in order.
    /// </summary>
    [Conditional("CHECKED")]
    private void CheckRuns(in RunShape shape)
    {
        long end = 0;
        long runBytes = 0;
        foreach (WritebackRun run in Runs)
        {
            Invariant.Holds(
                run.Offset >= end && run.LengthBytes > 0, $"run at {run.Offset} behind one that ends at {end}");
            Invariant.Holds(run.Offset == shape.RoundDown(run.Offset), $"run at {run.Offset} begins with a block");
            long at = run.Offset;
            end = run.Offset + run.LengthBytes;
            foreach (WritebackPiece piece in Pieces.Slice(run.FirstPiece, run.PieceCount))
            {
                Invariant.Holds(piece.Offset >= at && piece.LengthBytes > 0, $"piece at {piece.Offset} in order");
                at = piece.Offset + piece.LengthBytes;
            }

            Invariant.Holds(at <= end || end == shape.DeviceLength, $"the pieces of the run at {run.Offset} lie in it");
            runBytes += run.LengthBytes;
        }

        Invariant.Holds(runBytes == RunBytes && PieceBytes <= RunBytes,
            "the runs have as many bytes as were counted, and no fewer than their pieces");
    }

    private void CloseRun(in RunShape shape)
    {
        if (_runFirstPiece == _pieceCount)
        {
            return;
        }

        if (_runCount == _runs.Length)
        {
            Array.Resize(ref _runs, _runCount * 2);
        }

        ref readonly WritebackPiece last = ref _pieces[_pieceCount - 1];
        int lengthBytes =
            (int)(Math.Min(shape.RoundUp(last.Offset + last.LengthBytes), shape.DeviceLength) - _runStart);
        _runs[_runCount++] = new WritebackRun(
            _runStart, lengthBytes, _runFirstPiece, _pieceCount - _runFirstPiece, _runPieceBytes < lengthBytes);
        RunBytes += lengthBytes;
        _runFirstPiece = _pieceCount;
        _runPieceBytes = 0;
    }

    private void ClearResult()
    {
        _pieceCount = 0;
        _runCount = 0;
        _heapCount = 0;
        _runFirstPiece = 0;
        _runPieceBytes = 0;
        PieceBytes = 0;
        RunBytes = 0;
    }

    private struct Entry
    {
        public long Offset;
        public long End;
        public long Source;
    }

    private readonly struct RunShape(int blockSize, long deviceLength, int maxRunBytes)
    {
        public readonly long DeviceLength = deviceLength;
        public readonly int MaxRunBytes = maxRunBytes;

        public long RoundDown(long offset) => offset & -(long)blockSize;

        public long RoundUp(long offset) => (offset + blockSize - 1) & -(long)blockSize;
    }
}
