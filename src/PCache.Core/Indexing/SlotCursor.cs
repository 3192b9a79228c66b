using System.Numerics;
using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <summary>
/// Walks what a stripe has in a range of sectors, a page or a sector at a time, clipped to the range. Keeps true:
/// pieces come in order and don't overlap. The stripe must not change meanwhile.
/// </summary>
internal unsafe struct SlotCursor
{
    private readonly int _start;
    private readonly int _end;
    private ulong* _headers;
    private ulong _chunksLeft;
    private int _chunkStart;
    private Slot* _slots;
    private uint _pagesLeft;
    private int _pageStart;
    private Slot* _sectors;
    private uint _sectorsLeft;

    public SlotCursor(StripeEntry* entry, int start, int end)
    {
        _start = start;
        _end = end;
        const int Shift = StripeEntry.ChunkShift + 3;
        ulong chunks = entry->Chunks;
        int first = start >> Shift;
        _headers = StripeEntry.HeadersOf(entry) + BitOperations.PopCount(chunks & ((1UL << first) - 1));
        _chunksLeft = chunks & (ulong.MaxValue << first) & (ulong.MaxValue >> (63 - ((end - 1) >> Shift)));
    }

    /// <summary>First sector of the piece.</summary>
    public int Start { get; private set; }

    /// <summary>Number of its sectors, 1 to 8.</summary>
    public int Length { get; private set; }

    /// <summary>The slot of its first sector.</summary>
    public Slot Slot { get; private set; }

    /// <summary>The pages of a chunk that a range of sectors touches, as bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint PagesInRange(int chunkStart, int start, int end)
    {
        int from = Math.Max(start - chunkStart, 0) >> 3;
        int to = (Math.Min(end - chunkStart, StripeEntry.ChunkPages * Slot.PageSectors) + 7) >> 3;
        return (1u << to) - (1u << from);
    }

    public bool MoveNext()
    {
        while (true)
        {
            if (_sectorsLeft != 0)
            {
                Start = _pageStart + BitOperations.TrailingZeroCount(_sectorsLeft);
                Length = 1;
                Slot = *_sectors++;
                _sectorsLeft &= _sectorsLeft - 1;
                return true;
            }

            if (_pagesLeft == 0)
            {
                if (_chunksLeft == 0)
                {
                    return false;
                }

                OpenChunk();
                continue;
            }

            _pageStart = _chunkStart + (BitOperations.TrailingZeroCount(_pagesLeft) * Slot.PageSectors);
            _pagesLeft &= _pagesLeft - 1;
            Slot* page = _slots++;
            int from = Math.Max(_start - _pageStart, 0);
            int to = Math.Min(_end - _pageStart, Slot.PageSectors);
            if (page->Kind != SlotKind.Fragmented)
            {
                Start = _pageStart + from;
                Length = to - from;
                Slot = page->Advance(from);
                return true;
            }

            _sectors = (Slot*)page->Low + BitOperations.PopCount(page->SectorMask & ((1u << from) - 1));
            _sectorsLeft = page->SectorMask & PageImage.MaskOf(from, to);
        }
    }

    private void OpenChunk()
    {
        _chunkStart = BitOperations.TrailingZeroCount(_chunksLeft) * StripeEntry.ChunkPages * Slot.PageSectors;
        _chunksLeft &= _chunksLeft - 1;
        ulong header = *_headers++;
        uint pages = StripeEntry.PagesOf(header);
        uint inRange = PagesInRange(_chunkStart, _start, _end);
        _slots = StripeEntry.SlotsOf(header) + BitOperations.PopCount(pages & ((inRange & (0 - inRange)) - 1));
        _pagesLeft = pages & inRange;
    }
}

/// <summary>
/// Walks the extents in a range of sectors, clipped to it: pieces of one extent that follow each other are one again.
/// </summary>
internal struct ExtentRuns
{
    private SlotCursor _cursor;
    private bool _ahead;

    public unsafe ExtentRuns(StripeEntry* entry, int start, int end)
    {
        _cursor = new SlotCursor(entry, start, end);
    }

    /// <summary>The next extent.</summary>
    public bool MoveNext(out Extent extent)
    {
        if (!_ahead && !_cursor.MoveNext())
        {
            extent = default;
            return false;
        }

        Slot first = _cursor.Slot;
        int start = _cursor.Start;
        int end = start + _cursor.Length;
        Slot next = first.Advance(end - start);
        _ahead = false;
        while (_cursor.MoveNext())
        {
            if (_cursor.Start != end || !_cursor.Slot.Equals(next))
            {
                _ahead = true;
                break;
            }

            end += _cursor.Length;
            next = next.Advance(_cursor.Length);
        }

        extent = first.Unpack(start, end - start);
        return true;
    }
}
