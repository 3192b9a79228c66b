using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace PCache.Core.Indexing;

/// <content>The array of entries, which grows and shrinks in the arena, and the hint that reads it without the
/// lock.</content>
internal sealed unsafe partial class StripeDirectory
{
    // Directory, arena and the arena's list heads, with their headers.
    private const int ManagedBytes = 72 + 128 + 96;

    private const int NoEntriesLog2 = 1;

    // What chains have at most, if they don't change under the reader.
    private const int LongestWalk = 16;

    // What is searched before the first stripe comes and after the disposal: nothing is ever found there.
    private static readonly StripeEntry* NoEntries = MakeNoEntries();

    private ulong _table = TableOf(NoEntries, NoEntriesLog2);

    /// <summary>
    /// Brings the slot of a page near, for a lookup or an insertion that comes soon. A hint: may do nothing. Any
    /// thread, without the lock; not after <see cref="Dispose"/> has begun.
    /// </summary>
    /// <remarks>
    /// Everything read here may be changing, or be something else by now. It can't fault: the table is one word, read
    /// once, place and size together, and an outgrown table stays mapped like all of the arena, so entries inside its
    /// bounds can be read, whatever they have become. Numbers of entries are checked against the size, and chains
    /// followed for a few steps only, as they may run in circles. A place read from an entry is used only if the
    /// arena owns it (headers are 8 bytes, aligned, so they lie in one region). What a header says isn't read at all:
    /// a processor takes any address as a hint.
    /// </remarks>
    public void Prefetch(long stripe, int sector)
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        ulong table = Volatile.Read(ref _table);
        int log2 = (int)(table & 63);
        StripeEntry* entries = (StripeEntry*)(table >> 6 << 4);
        int slot = Volatile.Read(ref entries[Bucket(stripe, ShiftOf(log2))].Head);
        for (int step = 0; (uint)slot < 1u << log2 && step < LongestWalk; step++)
        {
            StripeEntry* entry = entries + slot;
            if (entry->Stripe == stripe)
            {
                PrefetchSlot(entry, sector >> 3);
                break;
            }

            slot = Volatile.Read(ref entry->Next);
        }

        GC.KeepAlive(this);
    }

    private void PrefetchSlot(StripeEntry* entry, int page)
    {
        ulong chunks = Volatile.Read(ref entry->Chunks);
        ulong header = Volatile.Read(ref entry->Root);
        ulong chunkBit = 1UL << (page >> StripeEntry.ChunkShift);
        if ((chunks & chunkBit) == 0)
        {
            return;
        }

        if ((chunks & (chunks - 1)) != 0)
        {
            nint place = (nint)header + (BitOperations.PopCount(chunks & (chunkBit - 1)) * sizeof(ulong));
            if ((place & (sizeof(ulong) - 1)) != 0 || !_arena.Owns(place))
            {
                return;
            }

            header = Volatile.Read(ref *(ulong*)place);
        }

        uint below = StripeEntry.PagesOf(header) & ((1u << (page & (StripeEntry.ChunkPages - 1))) - 1);
        Sse.Prefetch0(StripeEntry.SlotsOf(header) + BitOperations.PopCount(below));
    }

    // Shards are chosen by a hash of the same number, so this one has another factor.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Bucket(long stripe, int shift) => (int)(((ulong)stripe * 0xD6E8FEB86659FD93) >> shift);

    private static int ShiftOf(int log2) => 64 - log2;

    private static ulong TableOf(StripeEntry* entries, int log2) => ((ulong)entries >> 4 << 6) | (uint)log2;

    private static StripeEntry* MakeNoEntries()
    {
        const int Count = 1 << NoEntriesLog2;
        StripeEntry* entries = (StripeEntry*)NativeMemory.AlignedAlloc((nuint)(Count * sizeof(StripeEntry)), 16);
        new Span<StripeEntry>(entries, Count).Fill(new StripeEntry { Stripe = None, Next = None, Head = None });
        return entries;
    }

    private void UseTable(StripeEntry* entries, int log2)
    {
        _entries = entries;
        _shift = ShiftOf(log2);
        Volatile.Write(ref _table, TableOf(entries, log2));
    }

    private void ShrinkTable()
    {
        if (Count == 0 && _capacity > 0)
        {
            StripeEntry* old = _entries;
            int oldCapacity = _capacity;
            UseTable(NoEntries, NoEntriesLog2);
            _capacity = 0;
            GiveTable(old, oldCapacity);
        }
        else if (_capacity > KeptCapacity && Count * 4 <= _capacity)
        {
            Rehash(Math.Max(KeptCapacity, (int)BitOperations.RoundUpToPowerOf2((uint)Count * 2)));
        }
    }

    private void Rehash(int capacity)
    {
        StripeEntry* old = _entries;
        int oldCapacity = _capacity;
        long oldBytes = oldCapacity * (long)sizeof(StripeEntry);
        long bytes = capacity * (long)sizeof(StripeEntry);
        if (capacity < oldCapacity && oldBytes < IndexArena.RegionSize)
        {
            // In place: giving memory back must not need some.
            UseEntries(old, capacity);
            if (oldBytes > IndexArena.PieceSize)
            {
                _arena.ShrinkRun((nint)old, oldBytes, bytes);
            }
            else
            {
                _arena.Shrink((nint)old, IndexArena.OrderFor((int)oldBytes / 16), IndexArena.OrderFor((int)bytes / 16));
            }

            return;
        }

        StripeEntry* entries = (StripeEntry*)(
            bytes <= IndexArena.PieceSize ? _arena.Take(IndexArena.OrderFor((int)bytes / 16)) : _arena.TakeRun(bytes));
        new Span<StripeEntry>(old, Count).CopyTo(new Span<StripeEntry>(entries, Count));
        UseEntries(entries, capacity);
        GiveTable(old, oldCapacity);
    }

    private void UseEntries(StripeEntry* entries, int capacity)
    {
        for (int i = 0; i < capacity; i++)
        {
            entries[i].Head = None;
        }

        UseTable(entries, BitOperations.Log2((uint)capacity));
        _capacity = capacity;
        for (int slot = 0; slot < Count; slot++)
        {
            Link(slot);
        }
    }

    private void GiveTable(StripeEntry* entries, int capacity)
    {
        long bytes = capacity * (long)sizeof(StripeEntry);
        if (bytes > IndexArena.PieceSize)
        {
            _arena.GiveRun((nint)entries, bytes);
        }
        else if (bytes > 0)
        {
            _arena.Give((nint)entries, IndexArena.OrderFor((int)bytes / 16));
        }
    }
}
