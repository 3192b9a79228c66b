using System.Numerics;
using System.Runtime.CompilerServices;
using PCache.Core.Primitives;

namespace PCache.Core.Indexing;

/// <summary>
/// One page taken apart into its sectors, for operations that touch a part of it. Keeps true: <see cref="Store"/>
/// brings the page into its smallest form: one slot when all its sectors are one extent's, else as many slots as
/// sectors are occupied.
/// </summary>
internal unsafe struct PageImage
{
    private const uint AllSectors = (1 << Slot.PageSectors) - 1;

    private Sectors _sectors;
    private uint _mask;

    /// <summary>The sectors of [from, to), as bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint MaskOf(int from, int to) => (1u << to) - (1u << from);

    /// <summary>Takes a page's slot apart.</summary>
    public void Load(in Slot page)
    {
        switch (page.Kind)
        {
            case SlotKind.Empty:
                _mask = 0;
                break;
            case SlotKind.Fragmented:
                _mask = page.SectorMask;
                Slot* next = (Slot*)page.Low;
                for (uint left = _mask; left != 0; left &= left - 1)
                {
                    _sectors[BitOperations.TrailingZeroCount(left)] = *next++;
                }

                break;
            default:
                _mask = 0;
                Set(0, Slot.PageSectors, page);
                break;
        }
    }

    /// <summary>
    /// Puts an extent over the sectors [from, to); <paramref name="slot"/> is that of its sector
    /// <paramref name="from"/>.
    /// </summary>
    public void Set(int from, int to, Slot slot)
    {
        Invariant.Holds(from >= 0 && from < to && to <= Slot.PageSectors, $"sectors [{from}, {to}) lie in a page");
        for (int i = from; i < to; i++)
        {
            _sectors[i] = slot;
            slot = slot.Advance(1);
        }

        _mask |= MaskOf(from, to);
    }

    /// <summary>Empties some sectors.</summary>
    public void Remove(uint sectors) => _mask &= ~sectors;

    /// <summary>
    /// Puts the page together into its slot, which holds what was loaded or nothing. False: nothing is left, and the
    /// slot is empty.
    /// </summary>
    public readonly bool Store(IndexArena arena, Slot* page)
    {
        int count = BitOperations.PopCount(_mask);
        bool whole = _mask == AllSectors;
        for (int i = 1; whole && i < Slot.PageSectors; i++)
        {
            whole = _sectors[i].Equals(_sectors[i - 1].Advance(1));
        }

        nint block = 0;
        int order = -1;
        if (page->Kind == SlotKind.Fragmented)
        {
            block = (nint)page->Low;
            order = IndexArena.OrderFor(BitOperations.PopCount(page->SectorMask));
        }

        int wanted = whole || count == 0 ? -1 : IndexArena.OrderFor(count);
        if (wanted != order)
        {
            if (order >= 0 && wanted >= 0 && wanted < order)
            {
                arena.Shrink(block, order, wanted);
            }
            else
            {
                nint old = block;
                block = wanted >= 0 ? arena.Take(wanted) : 0;
                if (order >= 0)
                {
                    arena.Give(old, order);
                }
            }
        }

        if (whole || count == 0)
        {
            Invariant.Holds(block == 0, "a page of one extent has no sectors of its own");
            *page = whole ? _sectors[0] : default;
            return whole;
        }

        Slot* next = (Slot*)block;
        for (uint left = _mask; left != 0; left &= left - 1)
        {
            *next++ = _sectors[BitOperations.TrailingZeroCount(left)];
        }

        Invariant.Holds(
            block != 0 && (_mask & ~AllSectors) == 0, "a page that is taken apart has a block for its sectors");
        *page = Slot.Fragmented(block, _mask);
        return true;
    }

    [InlineArray(Slot.PageSectors)]
    private struct Sectors
    {
        private Slot _first;
    }
}
