using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <summary>
/// The stripes of one shard that have an index, by stripe number, and the memory of all of them.
/// </summary>
/// <remarks>
/// What it keeps true: entries 0..Count-1 are dense, one per stripe, and each is in the chain of its number's bucket
/// (whose head stands in the entry of the bucket's number); memory follows what is cached, not the size of the
/// device: the array is a power of two and, beyond <see cref="KeptCapacity"/>, more than a quarter full; the sweep
/// goes down the entries, and a removal fills its place with the last entry, so that whatever is there during a whole
/// round is visited in it. Not thread-safe, but for <see cref="Prefetch"/> and the counts of bytes: the caller holds
/// the shard's lock. Nothing allocates on the managed heap. Nothing may be called any more once it is disposed, but
/// for <see cref="Dispose"/>.
/// </remarks>
internal sealed unsafe partial class StripeDirectory : IDisposable
{
    private const int KeptCapacity = 16;

    private const int None = -1;

    private readonly IndexArena _arena = new();
    private StripeEntry* _entries = NoEntries;
    private int _shift = ShiftOf(NoEntriesLog2);
    private int _capacity;

    /// <summary>Number of stripes.</summary>
    public int Count { get; private set; }

    /// <summary>Stripes that fit before the array grows.</summary>
    public int Capacity => _capacity;

    /// <summary>
    /// Native bytes that live parts of the index have: what it gives back when something is removed. Any thread.
    /// </summary>
    public long UsedBytes => _arena.UsedBytes;

    /// <summary>Managed and native bytes of the index, with what is kept for later. Any thread.</summary>
    public long MemoryBytes => _arena.ReservedBytes + ManagedBytes;

    /// <summary>The memory of the stripes.</summary>
    internal IndexArena Arena => _arena;

    /// <summary>The index of <paramref name="stripe"/>, or null.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public StripeIndex? Find(long stripe) => TryFind(stripe, out StripeIndex index) ? index : null;

    /// <summary>The index of <paramref name="stripe"/>, if it has one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryFind(long stripe, out StripeIndex index)
    {
        int slot = SlotOf(stripe);
        index = new StripeIndex(this, slot);
        return slot >= 0;
    }

    /// <summary>The index of <paramref name="stripe"/>, made when missing.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public StripeIndex GetOrAdd(long stripe)
    {
        int slot = SlotOf(stripe);
        return new StripeIndex(this, slot >= 0 ? slot : Add(stripe));
    }

    /// <summary>Drops <paramref name="stripe"/> when its index holds nothing any more.</summary>
    public void RemoveIfEmpty(long stripe)
    {
        int slot = SlotOf(stripe);
        if (slot != None && _entries[slot].Chunks == 0)
        {
            RemoveAt(slot);
            ShrinkTable();
        }
    }

    /// <summary>
    /// Drops <paramref name="firstStripe"/> and all stripes behind it, with what they hold: the device was truncated.
    /// </summary>
    public void RemoveFrom(long firstStripe)
    {
        for (int slot = Count - 1; slot >= 0; slot--)
        {
            if (_entries[slot].Stripe >= firstStripe)
            {
                RemoveAt(slot);
            }
        }

        ShrinkTable();
    }

    /// <summary>
    /// The next stripe of a round over all of them. A cursor of 0 begins a round; false means that the round is over,
    /// and sets the cursor back to 0. Stripes may come and go between the calls: those that are there all through a
    /// round are visited at least once in it, new ones perhaps only in the next.
    /// </summary>
    public bool NextStripe(ref long cursor, out long stripe, out StripeIndex index)
    {
        // The cursor is one more than the number of entries that are still to be visited, which are the first ones.
        long left = cursor == 0 ? Count : Math.Min(cursor - 1, Count);
        index = new StripeIndex(this, (int)left - 1);
        if (left <= 0)
        {
            cursor = 0;
            stripe = 0;
            return false;
        }

        cursor = left;
        stripe = _entries[left - 1].Stripe;
        return true;
    }

    /// <summary>
    /// Throws if an invariant of the directory, of its stripes or of its memory doesn't hold: for tests.
    /// </summary>
    public void Validate()
    {
        long bytes = _capacity * (long)sizeof(StripeEntry);
        for (int slot = 0; slot < Count; slot++)
        {
            bytes += new StripeIndex(this, slot).CountBytes();
            if (SlotOf(_entries[slot].Stripe) != slot)
            {
                throw new InvalidOperationException($"Stripe {_entries[slot].Stripe} isn't found.");
            }
        }

        if (bytes != UsedBytes || UsedBytes > _arena.ReservedBytes)
        {
            throw new InvalidOperationException(
                $"The stripes have {bytes} bytes, the arena counts {UsedBytes} of {_arena.ReservedBytes}.");
        }

        _arena.Validate();
    }

    /// <summary>Frees the memory. No thread may be inside any more, not even in <see cref="Prefetch"/>.</summary>
    public void Dispose()
    {
        UseTable(NoEntries, NoEntriesLog2);
        _capacity = 0;
        Count = 0;
        _arena.Dispose();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal StripeEntry* EntryAt(int slot) => _entries + slot;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int SlotOf(long stripe)
    {
        StripeEntry* entries = _entries;
        int slot = entries[Bucket(stripe, _shift)].Head;
        if (slot < 0)
        {
            return None;
        }

        // Which of a bucket's first two entries it is, nothing can predict: so that is computed, not branched on.
        StripeEntry* first = entries + slot;
        int other = (first->Stripe == stripe ? 1 : 0) - 1;
        slot ^= (slot ^ first->Next) & other;
        while (slot >= 0 && entries[slot].Stripe != stripe)
        {
            slot = entries[slot].Next;
        }

        return slot;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private int Add(long stripe)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(stripe);
        if (Count == _capacity)
        {
            Rehash(Math.Max(KeptCapacity, Count * 2));
        }

        int slot = Count++;
        StripeEntry* entry = _entries + slot;
        entry->Stripe = stripe;
        entry->Chunks = 0;
        entry->Root = 0;
        Link(slot);
        return slot;
    }

    private void RemoveAt(int slot)
    {
        StripeEntry.Clear(_arena, _entries + slot);
        *LinkTo(slot) = _entries[slot].Next;
        int last = Count - 1;
        if (slot != last)
        {
            *LinkTo(last) = slot;
            int head = _entries[slot].Head;
            _entries[slot] = _entries[last];
            _entries[slot].Head = head;
        }

        Count = last;
    }

    /// <summary>
    /// The link, in the bucket or in another entry of its chain, that leads to <paramref name="slot"/>.
    /// </summary>
    private int* LinkTo(int slot)
    {
        int* link = &_entries[Bucket(_entries[slot].Stripe, _shift)].Head;
        while (*link != slot)
        {
            link = &_entries[*link].Next;
        }

        return link;
    }

    private void Link(int slot)
    {
        StripeEntry* bucket = _entries + Bucket(_entries[slot].Stripe, _shift);
        _entries[slot].Next = bucket->Head;
        bucket->Head = slot;
    }
}
