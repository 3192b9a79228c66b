using System.Numerics;
using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <summary>
/// The root of one stripe's index, an entry of its <see cref="StripeDirectory"/>: 64 chunks of 16 pages, of which
/// only those with something in them cost memory.
/// </summary>
/// <remarks>
/// What it keeps true:
/// <list type="bullet">
/// <item>Each bit of <see cref="Chunks"/> has a header of 8 bytes: the mask of the chunk's present pages (16 bits)
/// and the place of their slots (48 bits, in units of 16 bytes). Headers stand in order, without gaps, in a block
/// whose size follows from their number; a single header stands in <see cref="Root"/> itself.</item>
/// <item>A chunk has a page at least, and a slot for each, in order, without gaps, in a block whose size follows from
/// their number: so a full chunk's are indexed by page. Nothing remembers a capacity, and memory is always what the
/// masks say.</item>
/// <item>A fragmented page has the slots of its sectors in a block of the same kind; it never holds all sectors of
/// one extent.</item>
/// </list>
/// </remarks>
internal unsafe struct StripeEntry
{
    public const int ChunkShift = 4;
    public const int ChunkPages = 1 << ChunkShift;
    public const int ChunkCount = 1024 / ChunkPages;

    private const ulong PagesMask = (1 << ChunkPages) - 1;

    /// <summary>Number of the stripe.</summary>
    public long Stripe;

    /// <summary>Which chunks have something in them.</summary>
    public ulong Chunks;

    /// <summary>The only header, or the place of the headers.</summary>
    public ulong Root;

    /// <summary>The next entry in the chain of this one's bucket, or -1. Of the directory.</summary>
    public int Next;

    /// <summary>
    /// The first entry of the bucket with this entry's number, or -1. Of the directory: it has nothing to do with the
    /// stripe here.
    /// </summary>
    public int Head;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong* HeadersOf(StripeEntry* entry) =>
        (entry->Chunks & (entry->Chunks - 1)) == 0 ? &entry->Root : (ulong*)entry->Root;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint PagesOf(ulong header) => (uint)(header & PagesMask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Slot* SlotsOf(ulong header) => (Slot*)(header >> ChunkPages << 4);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static ulong HeaderOf(nint slots, uint pages) => ((ulong)slots >> 4 << ChunkPages) | pages;

    /// <summary>Order of the block for some headers, from 2 on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int HeaderOrder(int count) => IndexArena.OrderFor(count) - 1;

    /// <summary>The slot of a page, or null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Slot* Find(StripeEntry* entry, int page)
    {
        ulong chunks = entry->Chunks;
        ulong chunkBit = 1UL << (page >> ChunkShift);
        if ((chunks & chunkBit) == 0)
        {
            return null;
        }

        ulong header = HeadersOf(entry)[BitOperations.PopCount(chunks & (chunkBit - 1))];
        uint pages = PagesOf(header);
        uint pageBit = 1u << (page & (ChunkPages - 1));
        return (pages & pageBit) == 0 ? null : SlotsOf(header) + BitOperations.PopCount(pages & (pageBit - 1));
    }

    /// <summary>
    /// Makes slots for a run of pages of one chunk. New ones and, if there are new ones among several, also those
    /// that were there have undefined content: the caller sets all of them. Returns the first.
    /// </summary>
    public static Slot* Reserve(IndexArena arena, StripeEntry* entry, int chunk, uint run)
    {
        ulong* header = HeaderOrAdd(arena, entry, chunk);
        uint pages = PagesOf(*header);
        Slot* slots = SlotsOf(*header);
        int below = BitOperations.PopCount(pages & ((run & (0 - run)) - 1));
        if ((pages & run) == run)
        {
            return slots + below;
        }

        int count = BitOperations.PopCount(pages);
        int aboveFrom = below + BitOperations.PopCount(pages & run);
        int aboveTo = below + BitOperations.PopCount(run);
        int above = count - aboveFrom;
        int order = IndexArena.OrderFor(aboveTo + above);
        if (count == 0)
        {
            slots = (Slot*)arena.Take(order);
        }
        else
        {
            int oldOrder = IndexArena.OrderFor(count);
            if (order == oldOrder)
            {
                Move(slots + aboveFrom, slots + aboveTo, above);
            }
            else
            {
                Slot* old = slots;
                slots = (Slot*)arena.Take(order);
                Move(old, slots, below);
                Move(old + aboveFrom, slots + aboveTo, above);
                arena.Give((nint)old, oldOrder);
            }
        }

        *header = HeaderOf((nint)slots, pages | run);
        return slots + below;
    }

    /// <summary>Forgets those pages of a chunk that aren't to be kept, and gives memory back.</summary>
    public static void Keep(IndexArena arena, StripeEntry* entry, int chunk, uint keep)
    {
        ulong* header = HeadersOf(entry) + BitOperations.PopCount(entry->Chunks & ((1UL << chunk) - 1));
        uint pages = PagesOf(*header);
        Slot* slots = SlotsOf(*header);
        int kept = 0;
        int at = 0;
        for (uint left = pages; left != 0; left &= left - 1, at++)
        {
            if ((keep & left & (0 - left)) != 0)
            {
                slots[kept++] = slots[at];
            }
            else
            {
                GiveSectors(arena, slots + at);
            }
        }

        int order = IndexArena.OrderFor(at);
        if (kept == 0)
        {
            arena.Give((nint)slots, order);
            RemoveHeader(arena, entry, chunk);
            return;
        }

        arena.Shrink((nint)slots, order, IndexArena.OrderFor(kept));
        *header = HeaderOf((nint)slots, keep);
    }

    /// <summary>Forgets everything and gives the memory back.</summary>
    public static void Clear(IndexArena arena, StripeEntry* entry)
    {
        while (entry->Chunks != 0)
        {
            Keep(arena, entry, 63 - BitOperations.LeadingZeroCount(entry->Chunks), 0);
        }
    }

    /// <summary>Gives the slots of a fragmented page's sectors back.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void GiveSectors(IndexArena arena, Slot* page)
    {
        if (page->Kind == SlotKind.Fragmented)
        {
            arena.Give((nint)page->Low, IndexArena.OrderFor(BitOperations.PopCount(page->SectorMask)));
        }
    }

    /// <summary>Moves slots, also to a place that overlaps the old one. There are few: a loop beats a call.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Move(Slot* from, Slot* to, int count)
    {
        if (to <= from)
        {
            for (int i = 0; i < count; i++)
            {
                to[i] = from[i];
            }
        }
        else
        {
            for (int i = count - 1; i >= 0; i--)
            {
                to[i] = from[i];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong* HeaderOrAdd(IndexArena arena, StripeEntry* entry, int chunk)
    {
        ulong bit = 1UL << chunk;
        return (entry->Chunks & bit) != 0
            ? HeadersOf(entry) + BitOperations.PopCount(entry->Chunks & (bit - 1))
            : AddHeader(arena, entry, bit);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ulong* AddHeader(IndexArena arena, StripeEntry* entry, ulong bit)
    {
        int count = BitOperations.PopCount(entry->Chunks);
        int below = BitOperations.PopCount(entry->Chunks & (bit - 1));
        ulong* headers = HeadersOf(entry);
        if (count == 0)
        {
            headers = &entry->Root;
        }
        else if (BitOperations.IsPow2(count))
        {
            ulong* grown = (ulong*)arena.Take(HeaderOrder(count + 1));
            new Span<ulong>(headers, below).CopyTo(new Span<ulong>(grown, below));
            new Span<ulong>(headers + below, count - below).CopyTo(new Span<ulong>(grown + below + 1, count - below));
            if (count > 1)
            {
                arena.Give((nint)headers, HeaderOrder(count));
            }

            headers = grown;
            entry->Root = (ulong)headers;
        }
        else
        {
            new Span<ulong>(headers + below, count - below).CopyTo(new Span<ulong>(headers + below + 1, count - below));
        }

        headers[below] = 0;
        entry->Chunks |= bit;
        return headers + below;
    }

    private static void RemoveHeader(IndexArena arena, StripeEntry* entry, int chunk)
    {
        int count = BitOperations.PopCount(entry->Chunks);
        int below = BitOperations.PopCount(entry->Chunks & ((1UL << chunk) - 1));
        ulong* headers = HeadersOf(entry);
        if (count == 1)
        {
            entry->Root = 0;
        }
        else
        {
            new Span<ulong>(headers + below + 1, count - below - 1).CopyTo(
                new Span<ulong>(headers + below, count - below - 1));
            if (count == 2)
            {
                entry->Root = headers[0];
                arena.Give((nint)headers, HeaderOrder(2));
            }
            else
            {
                arena.Shrink((nint)headers, HeaderOrder(count), HeaderOrder(count - 1));
            }
        }

        entry->Chunks &= ~(1UL << chunk);
    }
}
