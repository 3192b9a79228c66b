using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.ConstrainedExecution;
using PCache.Core.Primitives;

namespace PCache.Core.Indexing;

/// <summary>
/// The native memory of one shard's index: blocks of 16 to 4096 bytes (powers of two), and runs of bigger size for
/// the directory.
/// </summary>
/// <remarks>
/// <para>Why native and unsafe: an index has millions of small parts; as managed objects each would cost a header and
/// a reference, and every collection would walk them.</para>
/// What it keeps true:
/// <list type="bullet">
/// <item>A block of a size is aligned to it (inside its region), so its buddy is one bit away; two free buddies are
/// always one free block, so what chunks leave behind when they grow becomes room for what they grow into. A bit for
/// each 16 bytes says whether they are free; it stands at the head of the region of 1 MiB.</item>
/// <item>Regions stay mapped until <see cref="Dispose"/>: a thread that reads a stale pointer without the lock reads
/// rubbish, but doesn't fault (see <see cref="Owns"/>).</item>
/// <item>After <see cref="EnsureRoom"/> has returned, the blocks that one operation on a stripe takes can't fail, so
/// no operation stops halfway.</item>
/// <item><see cref="UsedBytes"/> is the sum of the live blocks, <see cref="ReservedBytes"/> what they were cut from;
/// memory that was never touched doesn't count.</item>
/// </list>
/// Not thread-safe, but for the counts and <see cref="Owns"/>: the caller holds the shard's lock. The finalizer
/// bounds what a forgotten index leaks.
/// </remarks>
internal sealed unsafe partial class IndexArena : CriticalFinalizerObject, IDisposable
{
    /// <summary>Order of the largest block: 4096 bytes.</summary>
    public const int MaxOrder = 8;

    private const int UnitShift = 4;

    private readonly nint[] _heads = new nint[MaxOrder + 1];
    private uint _nonEmpty;
    private long _used;
    private long _reserved;

    ~IndexArena()
    {
        Release();
    }

    /// <summary>Bytes of live blocks and runs. Any thread.</summary>
    public long UsedBytes => Volatile.Read(ref _used);

    /// <summary>Bytes of native memory that blocks and runs were cut from, live or not. Any thread.</summary>
    public long ReservedBytes => Volatile.Read(ref _reserved);

    /// <summary>Bytes of a block of an order.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int SizeOf(int order) => 1 << (order + UnitShift);

    /// <summary>The smallest order with room for a number (from 1 on) of units of 16 bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int OrderFor(int units) => 32 - BitOperations.LeadingZeroCount((uint)(units - 1));

    /// <summary>Takes a block; its content is undefined.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public nint Take(int order)
    {
        nint block = _heads[order];
        if (block == 0)
        {
            block = Split(order);
        }
        else
        {
            Unlink(block, order);
        }

        SetFree(block, order, free: false);
        _used += SizeOf(order);
        return block;
    }

    /// <summary>Gives a block back.</summary>
    public void Give(nint block, int order)
    {
        Invariant.Holds(Owns(block) && (block & (SizeOf(order) - 1)) == 0, "a block that is given back is the arena's");
        _used -= SizeOf(order);
        Invariant.Holds(_used >= 0, "no more is given back than was taken");
        Release(block, order);
    }

    /// <summary>
    /// Gives back all of a block but its first part, which becomes a block of order <paramref name="to"/>. Needs no
    /// memory.
    /// </summary>
    public void Shrink(nint block, int from, int to)
    {
        Invariant.Holds(to <= from && Owns(block), "a block becomes smaller");
        _used -= SizeOf(from) - SizeOf(to);
        for (int order = from - 1; order >= to; order--)
        {
            nint upper = block + SizeOf(order);
            SetFree(upper, order, free: true);
            Push(upper, order);
        }
    }

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>Throws if lists and bits of free blocks don't agree: for tests.</summary>
    public void Validate()
    {
        for (int order = 0; order <= MaxOrder; order++)
        {
            nint before = 0;
            for (nint block = _heads[order]; block != 0; before = block, block = ((FreeBlock*)block)->Next)
            {
                bool sound = Owns(block) && (block & (SizeOf(order) - 1)) == 0 && IsFree(block, order)
                    && ((FreeBlock*)block)->Previous == before
                    && (order == MaxOrder || !IsFree(block ^ SizeOf(order), order));
                if (!sound)
                {
                    throw new InvalidOperationException($"Free block of order {order} isn't sound.");
                }
            }

            if ((_heads[order] != 0) != ((_nonEmpty >> order & 1) != 0))
            {
                throw new InvalidOperationException($"The list of order {order} isn't what the mask says.");
            }
        }

        GC.KeepAlive(this);
    }

    private void Release(nint block, int order)
    {
        while (order < MaxOrder)
        {
            // All bits free means one free block of just this order: halves of it would have been joined, and a
            // larger one would hold our block too.
            nint buddy = block ^ SizeOf(order);
            if (!IsFree(buddy, order))
            {
                break;
            }

            Unlink(buddy, order);
            block &= ~(nint)SizeOf(order);
            order++;
        }

        SetFree(block, order, free: true);
        Push(block, order);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private nint Split(int order)
    {
        nint block;
        uint larger = _nonEmpty >> order;
        int from = MaxOrder;
        if (larger == 0)
        {
            block = Carve();
        }
        else
        {
            from = order + BitOperations.TrailingZeroCount(larger);
            block = _heads[from];
            Unlink(block, from);
        }

        while (from > order)
        {
            from--;
            nint upper = block + SizeOf(from);
            SetFree(upper, from, free: true);
            Push(upper, from);
        }

        return block;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Push(nint block, int order)
    {
        nint next = _heads[order];
        ((FreeBlock*)block)->Next = next;
        ((FreeBlock*)block)->Previous = 0;
        if (next != 0)
        {
            ((FreeBlock*)next)->Previous = block;
        }

        _heads[order] = block;
        _nonEmpty |= 1u << order;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Unlink(nint block, int order)
    {
        nint next = ((FreeBlock*)block)->Next;
        nint previous = ((FreeBlock*)block)->Previous;
        if (next != 0)
        {
            ((FreeBlock*)next)->Previous = previous;
        }

        if (previous != 0)
        {
            ((FreeBlock*)previous)->Next = next;
            return;
        }

        _heads[order] = next;
        if (next == 0)
        {
            _nonEmpty &= ~(1u << order);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool IsFree(nint block, int order)
    {
        ulong* word = BitsOf(block, out int shift);
        if (order <= 6)
        {
            ulong mask = (ulong.MaxValue >> (64 - (1 << order))) << shift;
            return (*word & mask) == mask;
        }

        return (word[0] & word[1]) == ulong.MaxValue && (order == 7 || (word[2] & word[3]) == ulong.MaxValue);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SetFree(nint block, int order, bool free)
    {
        ulong* word = BitsOf(block, out int shift);
        if (order <= 6)
        {
            ulong mask = (ulong.MaxValue >> (64 - (1 << order))) << shift;
            *word = free ? *word | mask : *word & ~mask;
            return;
        }

        new Span<ulong>(word, 1 << (order - 6)).Fill(free ? ulong.MaxValue : 0);
    }

    /// <summary>The word with the bits of a block, or the first of its words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong* BitsOf(nint block, out int shift)
    {
        nint region = block & RegionMask;
        int unit = (int)(block - region) >> UnitShift;
        shift = unit & 63;
        return (ulong*)region + (unit >> 6);
    }

    private struct FreeBlock
    {
        public nint Next;
        public nint Previous;
    }
}
