using System.Runtime.InteropServices;

namespace PCache.Core.Indexing;

/// <content> Where blocks are cut from: regions of 1 MiB from the system, used from the front, 4096 bytes at a time,
/// so that what isn't needed yet is never touched. A run (an array of the directory) of up to 512 KiB is cut from a
/// region too; a bigger one is whole regions. What is given back becomes blocks.
/// </content>
internal sealed unsafe partial class IndexArena
{
    /// <summary>Size of the largest block, which is also what runs are made of.</summary>
    public const int PieceSize = 1 << (MaxOrder + UnitShift);

    /// <summary>Bytes that are taken from the system at once.</summary>
    public const int RegionSize = 1 << 20;

    private const nint RegionMask = -RegionSize;

    // Marks of a region in the set: the first one of what was mapped at once, and one that was mapped alone.
    private const nint First = 1;
    private const nint Single = 2;

    // One bit for each 16 bytes.
    private const int RegionHeaderSize = RegionSize / 16 / 8;

    // More than one operation on a stripe can take: 64 chunks of 256 bytes, their headers, and two fragmented pages.
    private const int RoomOfOperation = 24 << 10;

    private const int SmallestSet = 3;

    private nint _bump;
    private nint _bumpEnd;
    private nint _spare;
    private nint _rests;
    private long _set;
    private int _regionCount;
    private bool _disposed;

    /// <summary>
    /// Makes sure that what one operation takes is there. Throws when there is no memory, before anything has
    /// changed.
    /// </summary>
    public void EnsureRoom()
    {
        if (_bumpEnd - _bump < RoomOfOperation && _spare == 0)
        {
            AddSpare();
        }
    }

    /// <summary>
    /// Whether an address lies in memory that stays mapped until this is disposed. Any thread, without the lock.
    /// </summary>
    /// <remarks>
    /// Regions only come, and each is entered into the set after it was mapped. The set is one word (place and size),
    /// published after it was zeroed and filled, and an outgrown one stays mapped too: so a reader always sees a set
    /// whose entries are zero or regions. It is at most half full, so each search ends.
    /// </remarks>
    public bool Owns(nint address)
    {
        long set = Volatile.Read(ref _set);
        if (set == 0)
        {
            return false;
        }

        nint region = address & RegionMask;
        nint* slots = SlotsOf(set, out int log2);
        int mask = (1 << log2) - 1;
        for (int i = Home(region, log2); ; i = (i + 1) & mask)
        {
            nint there = Volatile.Read(ref slots[i]);
            if ((there & RegionMask) == region)
            {
                return there != 0;
            }

            if (there == 0)
            {
                return false;
            }
        }
    }

    /// <summary>Takes a run of a power of two of bytes, more than a block has; its content is undefined.</summary>
    public nint TakeRun(long bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        nint run;
        if (bytes >= RegionSize)
        {
            run = Map(checked((nuint)bytes));
            _reserved += bytes;
        }
        else
        {
            if (_bumpEnd - _bump < bytes)
            {
                if (_spare == 0)
                {
                    AddSpare();
                }

                if (_bump < _bumpEnd)
                {
                    PushRest();
                }

                OpenSpare();
            }

            run = _bump;
            Advance((int)bytes);
        }

        _used += bytes;
        return run;
    }

    /// <summary>Gives a run back.</summary>
    public void GiveRun(nint run, long bytes)
    {
        _used -= bytes;
        if (bytes < RegionSize)
        {
            for (nint piece = run; piece < run + (nint)bytes; piece += PieceSize)
            {
                Release(piece, MaxOrder);
            }

            return;
        }

        for (nint region = run; region < run + (nint)bytes; region += RegionSize)
        {
            new Span<byte>((void*)region, RegionHeaderSize).Clear();
            for (nint piece = region + RegionHeaderSize; piece < region + RegionSize; piece += PieceSize)
            {
                Release(piece, MaxOrder);
            }
        }
    }

    /// <summary>
    /// Gives back all of a run of less than a region but its first part, which may be as small as a block. Needs no
    /// memory.
    /// </summary>
    public void ShrinkRun(nint run, long from, long to)
    {
        long kept = Math.Max(to, PieceSize);
        GiveRun(run + (nint)kept, from - kept);
        if (to < PieceSize)
        {
            Shrink(run, MaxOrder, OrderFor((int)to / 16));
        }
    }

    private nint Carve()
    {
        if (_bump == _bumpEnd)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_rests != 0)
            {
                PopRest();
            }
            else
            {
                if (_spare == 0)
                {
                    AddSpare();
                }

                OpenSpare();
            }
        }

        nint piece = _bump;
        Advance(PieceSize);
        return piece;
    }

    private void Advance(int bytes)
    {
        new Span<byte>(BitsOf(_bump, out _), bytes / 16 / 8).Clear();
        _bump += bytes;
        _reserved += bytes;
    }

    private void OpenSpare()
    {
        nint region = _spare;
        _spare = *(nint*)region;
        _bump = region + RegionHeaderSize;
        _bumpEnd = region + RegionSize;
        _reserved += RegionHeaderSize;
    }

    // What a run has left of a region is used when the present one is used up; until then it notes its own end, and
    // the next one.
    private void PushRest()
    {
        ((nint*)_bump)[0] = _rests;
        ((nint*)_bump)[1] = _bumpEnd;
        _rests = _bump;
    }

    private void PopRest()
    {
        _bump = _rests;
        _rests = ((nint*)_bump)[0];
        _bumpEnd = ((nint*)_bump)[1];
    }

    private void AddSpare()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        nint region = Map(RegionSize);
        *(nint*)region = _spare;
        _spare = region;
    }

    /// <summary>
    /// Maps one region or more, and enters them into the set: the first of them marked, as that is what has to be
    /// given back.
    /// </summary>
    private nint Map(nuint bytes)
    {
        int count = (int)(bytes / RegionSize);
        GrowSet(_regionCount + count);
        nint first = count == 1 ? RegionPool.Take() : (nint)NativeMemory.AlignedAlloc(bytes, RegionSize);
        for (int i = 0; i < count; i++)
        {
            Enter(_set, (first + (i * (nint)RegionSize)) | (i > 0 ? 0 : count == 1 ? First | Single : First));
        }

        _regionCount += count;
        return first;
    }

    private void GrowSet(int count)
    {
        int log2 = _set == 0 ? 0 : (int)(_set & 63);
        if (_set != 0 && count * 2 <= 1 << log2)
        {
            return;
        }

        log2 = Math.Max(SmallestSet, OrderFor(count * 2));
        nuint bytes = (nuint)(16 + (sizeof(nint) << log2));
        nint memory = (nint)NativeMemory.AlignedAlloc(bytes, 16);
        NativeMemory.Clear((void*)memory, bytes);
        *(long*)memory = _set; // the one before, to be freed with this one
        long set = ((long)memory << 2) | (long)log2;
        if (_set != 0)
        {
            nint* old = SlotsOf(_set, out int oldLog2);
            for (int i = 0; i < 1 << oldLog2; i++)
            {
                if (old[i] != 0)
                {
                    Enter(set, old[i]);
                }
            }
        }

        _reserved += (long)bytes;
        Volatile.Write(ref _set, set);
    }

    private static void Enter(long set, nint region)
    {
        nint* slots = SlotsOf(set, out int log2);
        int i = Home(region & RegionMask, log2);
        while (slots[i] != 0)
        {
            i = (i + 1) & ((1 << log2) - 1);
        }

        Volatile.Write(ref slots[i], region);
    }

    private static int Home(nint region, int log2) =>
        (int)(((ulong)region / RegionSize * 0x9E3779B97F4A7C15) >> (64 - log2));

    // Place (in units of 16 bytes) and log2 of the size in one word, so that no thread ever reads one of them without
    // the other.
    private static nint* SlotsOf(long set, out int log2)
    {
        log2 = (int)(set & 63);
        return (nint*)((nint)((ulong)set >> 6 << 4) + 16);
    }

    private void Release()
    {
        _disposed = true;
        long set = _set;
        Volatile.Write(ref _set, 0);
        for (bool newest = true; set != 0; newest = false)
        {
            nint* slots = SlotsOf(set, out int log2);
            for (int i = 0; newest && i < 1 << log2; i++)
            {
                nint region = slots[i] & RegionMask;
                if ((slots[i] & Single) != 0)
                {
                    RegionPool.Give(region);
                }
                else if ((slots[i] & First) != 0)
                {
                    NativeMemory.AlignedFree((void*)region);
                }
            }

            void* memory = (byte*)slots - 16;
            set = *(long*)memory;
            NativeMemory.AlignedFree(memory);
        }

        Array.Clear(_heads);
        _nonEmpty = 0;
        _bump = _bumpEnd = _spare = _rests = 0;
        _regionCount = 0;
        _used = _reserved = 0;
    }
}
