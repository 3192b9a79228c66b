using System.Numerics;
using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <content>How extents get into slots and out of them: whole pages in runs, a chunk at a time; pages covered in part
/// taken apart and put together again.</content>
internal readonly unsafe partial struct StripeIndex
{
    private const int ChunkSectors = StripeEntry.ChunkPages * Slot.PageSectors;

    /// <summary>Throws if an invariant doesn't hold: for tests.</summary>
    public void Validate() => CountBytes();

    /// <summary>Bytes of the blocks of this stripe. Throws if an invariant doesn't hold.</summary>
    internal long CountBytes()
    {
        StripeEntry* entry = Entry;
        IndexArena arena = _directory.Arena;
        int chunks = BitOperations.PopCount(entry->Chunks);
        long bytes = chunks <= 1 ? 0 : IndexArena.SizeOf(StripeEntry.HeaderOrder(chunks));
        Check(chunks <= 1 || arena.Owns((nint)entry->Root), "the headers lie elsewhere");
        for (int i = 0; i < chunks; i++)
        {
            ulong header = StripeEntry.HeadersOf(entry)[i];
            int pages = BitOperations.PopCount(StripeEntry.PagesOf(header));
            Check(pages > 0, "a chunk is empty");
            Check(arena.Owns((nint)StripeEntry.SlotsOf(header)), "a chunk lies elsewhere");
            bytes += IndexArena.SizeOf(IndexArena.OrderFor(pages));
            for (int j = 0; j < pages; j++)
            {
                Slot* page = StripeEntry.SlotsOf(header) + j;
                Check(page->Kind != SlotKind.Empty, "a page is empty");
                if (page->Kind == SlotKind.Fragmented)
                {
                    Check(page->SectorMask != 0 && arena.Owns((nint)page->Low), "a fragmented page isn't sound");
                    bytes += IndexArena.SizeOf(IndexArena.OrderFor(BitOperations.PopCount(page->SectorMask)));
                    CheckSmallest(page);
                }
            }
        }

        int position = 0;
        foreach (Extent extent in this)
        {
            bool sound = extent.Start >= position && extent.Length > 0 && extent.End <= SectorCount && !extent.IsGap
                && (extent.IsPlaceholder
                    || (extent.KeyStart <= extent.Start && extent.KeyStart + extent.KeyLength >= extent.End));
            Check(sound, $"extent [{extent.Start}, {extent.End}) of key [{extent.KeyStart}, +{extent.KeyLength}) after "
                + $"sector {position}");
            position = extent.End;
        }

        GC.KeepAlive(_directory);
        return bytes;
    }

    private static void Check(bool sound, string what)
    {
        if (!sound)
        {
            throw new InvalidOperationException($"Index of a stripe: {what}.");
        }
    }

    private static void CheckSmallest(Slot* page)
    {
        Slot* sectors = (Slot*)page->Low;
        int count = BitOperations.PopCount(page->SectorMask);
        bool whole = count == Slot.PageSectors;
        for (int i = 0; i < count; i++)
        {
            Check(sectors[i].Kind is SlotKind.Payload or SlotKind.Placeholder,
                "a sector is no payload and no placeholder");
            whole &= i == 0 || sectors[i].Equals(sectors[i - 1].Advance(1));
        }

        Check(!whole, "a fragmented page is one extent");
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void InsertPage(in Extent extent)
    {
        InsertPage(extent.Start >> 3, Slot.Pack(in extent));
    }

    /// <summary>Makes a slot for a page that is missing or taken apart.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private Slot* MakePage(int page)
    {
        StripeEntry* entry = Entry;
        IndexArena arena = _directory.Arena;
        Slot* slot = StripeEntry.Find(entry, page);
        if (slot != null)
        {
            StripeEntry.GiveSectors(arena, slot);
            return slot;
        }

        arena.EnsureRoom();
        return StripeEntry.Reserve(
            arena, entry, page >> StripeEntry.ChunkShift, 1u << (page & (StripeEntry.ChunkPages - 1)));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void InsertAny(in Extent extent)
    {
        CheckRange(extent.Start, extent.End);
        _directory.Arena.EnsureRoom();
        InsertReserved(in extent);
        GC.KeepAlive(_directory);
    }

    private void InsertReserved(in Extent extent)
    {
        int start = extent.Start;
        int end = extent.End;
        Slot slot = Slot.Pack(in extent);
        int at = start;
        while (at < end)
        {
            int inPage = at & (Slot.PageSectors - 1);
            int length = Math.Min(end - at, Slot.PageSectors - inPage);
            if (length < Slot.PageSectors)
            {
                InsertSectors(at >> 3, inPage, inPage + length, slot);
            }
            else
            {
                // All whole pages up to the end of the chunk.
                length = Math.Min(end - at, ChunkSectors - (at & (ChunkSectors - 1))) & -Slot.PageSectors;
                InsertPages(at >> 3, length >> 3, slot);
            }

            at += length;
            slot = slot.Advance(length);
        }
    }

    private void InsertPages(int page, int count, Slot slot)
    {
        StripeEntry* entry = Entry;
        IndexArena arena = _directory.Arena;
        int chunk = page >> StripeEntry.ChunkShift;
        int inChunk = page & (StripeEntry.ChunkPages - 1);
        uint run = PageImage.MaskOf(inChunk, inChunk + count);
        if ((entry->Chunks & (1UL << chunk)) != 0)
        {
            GiveSectors(entry, chunk, run);
        }

        Slot* slots = StripeEntry.Reserve(arena, entry, chunk, run);
        ulong step = slot.Advance(Slot.PageSectors).High - slot.High;
        for (int i = 0; i < count; i++)
        {
            slots[i] = slot;
            slot.High += step;
        }
    }

    private void GiveSectors(StripeEntry* entry, int chunk, uint run)
    {
        ulong header = StripeEntry.HeadersOf(entry)[BitOperations.PopCount(entry->Chunks & ((1UL << chunk) - 1))];
        uint pages = StripeEntry.PagesOf(header);
        Slot* slot = StripeEntry.SlotsOf(header) + BitOperations.PopCount(pages & ((run & (0 - run)) - 1));
        for (int left = BitOperations.PopCount(pages & run); left > 0; left--, slot++)
        {
            StripeEntry.GiveSectors(_directory.Arena, slot);
        }
    }

    private void InsertSectors(int page, int from, int to, Slot slot)
    {
        StripeEntry* entry = Entry;
        Slot* there = StripeEntry.Find(entry, page);
        if (there == null)
        {
            there = StripeEntry.Reserve(
                _directory.Arena, entry, page >> StripeEntry.ChunkShift, 1u << (page & (StripeEntry.ChunkPages - 1)));
            *there = default;
        }

        PageImage image = default;
        image.Load(in *there);
        image.Set(from, to, slot);
        image.Store(_directory.Arena, there);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool TryGetSingleRun(int start, int end, out Extent piece)
    {
        var runs = new ExtentRuns(Entry, start, end);
        bool single = runs.MoveNext(out piece) && piece.Start == start && piece.End == end;
        GC.KeepAlive(_directory);
        if (!single)
        {
            piece = default;
        }

        return single;
    }

    private void RemoveMatching<TFilter>(int start, int end, ref TFilter filter)
        where TFilter : struct, IExtentFilter
    {
        StripeEntry* entry = Entry;
        var judge = default(Judge);
        int last = (end - 1) / ChunkSectors;
        for (int chunk = start / ChunkSectors; chunk <= last; chunk++)
        {
            // One pass over the slots of a chunk; they are moved together once, at its end.
            ulong left = entry->Chunks >> chunk;
            if (left == 0)
            {
                return;
            }

            chunk += BitOperations.TrailingZeroCount(left);
            if (chunk > last)
            {
                return;
            }

            ulong header = StripeEntry.HeadersOf(entry)[BitOperations.PopCount(entry->Chunks & ((1UL << chunk) - 1))];
            uint pages = StripeEntry.PagesOf(header);
            uint inRange = SlotCursor.PagesInRange(chunk * ChunkSectors, start, end);
            Slot* slot = StripeEntry.SlotsOf(header) + BitOperations.PopCount(pages & ((inRange & (0 - inRange)) - 1));
            uint gone = 0;
            for (uint todo = pages & inRange; todo != 0; todo &= todo - 1, slot++)
            {
                int pageStart = (chunk * ChunkSectors) + (BitOperations.TrailingZeroCount(todo) * Slot.PageSectors);
                int from = Math.Max(start - pageStart, 0);
                int to = Math.Min(end - pageStart, Slot.PageSectors);
                bool emptied;
                if (slot->Kind == SlotKind.Fragmented)
                {
                    emptied = RemoveSectors(slot, pageStart, from, to, ref judge, ref filter);
                }
                else
                {
                    bool matches = judge.Matches(pageStart + from, to - from, slot->Advance(from), ref filter);
                    emptied = matches && to - from == Slot.PageSectors;
                    if (matches && !emptied)
                    {
                        Cut(slot, PageImage.MaskOf(from, to));
                    }
                }

                gone |= emptied ? todo & (0 - todo) : 0;
            }

            if (gone != 0)
            {
                StripeEntry.Keep(_directory.Arena, entry, chunk, pages & ~gone);
            }
        }
    }

    private bool RemoveSectors<TFilter>(
        Slot* page, int pageStart, int from, int to, ref Judge judge, ref TFilter filter)
        where TFilter : struct, IExtentFilter
    {
        uint gone = 0;
        uint mask = page->SectorMask;
        Slot* sector = (Slot*)page->Low + BitOperations.PopCount(mask & ((1u << from) - 1));
        for (uint todo = mask & PageImage.MaskOf(from, to); todo != 0; todo &= todo - 1, sector++)
        {
            gone |= judge.Matches(pageStart + BitOperations.TrailingZeroCount(todo), 1, *sector, ref filter)
                ? todo & (0 - todo)
                : 0;
        }

        return gone != 0 && Cut(page, gone);
    }

    /// <summary>Empties some sectors of a page. Returns whether nothing is left.</summary>
    private bool Cut(Slot* page, uint sectors)
    {
        PageImage image = default;
        image.Load(in *page);
        image.Remove(sectors);
        return !image.Store(_directory.Arena, page);
    }

    /// <summary>Asks a filter once about each extent, though it comes in many slots.</summary>
    private struct Judge
    {
        private Slot _next;
        private int _end;
        private bool _matches;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public bool Matches<TFilter>(int start, int length, Slot slot, ref TFilter filter)
            where TFilter : struct, IExtentFilter
        {
            // At sector 0, where nothing can have come before, no slot is equal to an empty one.
            if (start != _end || !slot.Equals(_next))
            {
                _matches = filter.Matches(slot.Unpack(start, length));
            }

            _end = start + length;
            _next = slot.Advance(length);
            return _matches;
        }
    }
}
