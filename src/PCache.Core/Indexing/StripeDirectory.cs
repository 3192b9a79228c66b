using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <summary>
/// The stripes of one shard that have an index, by stripe number.
/// </summary>
/// <remarks>
/// What it keeps true:
/// entries 0..Count-1 are dense, one per stripe, and each is in the chain of its number's bucket;
/// memory follows what is cached, not the size of the device: the arrays are powers of two and, beyond <see cref="KeptCapacity"/>, more than a quarter full;
/// the sweep goes down the entries, and a removal fills its place with the last entry, so that whatever is there during a whole round is visited in it.
/// Not thread-safe: the caller holds the shard's lock. A lookup allocates nothing.
/// </remarks>
internal sealed class StripeDirectory
{
    private const int KeptCapacity = 16;

    private const int None = -1;

    private int[] _buckets;
    private Entry[] _entries;

    public StripeDirectory()
    {
        Rehash(KeptCapacity);
    }

    /// <summary>Number of stripes.</summary>
    public int Count { get; private set; }

    /// <summary>Stripes that fit before the arrays grow.</summary>
    public int Capacity => _entries.Length;

    /// <summary>The index of <paramref name="stripe"/>, or null.</summary>
    public StripeIndex? Find(long stripe)
    {
        Entry[] entries = _entries;
        int slot = _buckets[Bucket(stripe)];
        while ((uint)slot < (uint)entries.Length)
        {
            ref readonly Entry entry = ref entries[slot];
            if (entry.Stripe == stripe)
            {
                return entry.Index;
            }

            slot = entry.Next;
        }

        return null;
    }

    /// <summary>The index of <paramref name="stripe"/>, made when missing.</summary>
    public StripeIndex GetOrAdd(long stripe)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(stripe);
        StripeIndex? found = Find(stripe);
        if (found is not null)
        {
            return found;
        }

        if (Count == _entries.Length)
        {
            Rehash(Count * 2);
        }

        StripeIndex index = new();
        ref int head = ref _buckets[Bucket(stripe)];
        _entries[Count] = new Entry { Stripe = stripe, Index = index, Next = head };
        head = Count++;
        return index;
    }

    /// <summary>Drops <paramref name="stripe"/> when its index holds nothing any more.</summary>
    public void RemoveIfEmpty(long stripe)
    {
        int slot = _buckets[Bucket(stripe)];
        while (slot != None && _entries[slot].Stripe != stripe)
        {
            slot = _entries[slot].Next;
        }

        if (slot != None && _entries[slot].Index.Count == 0)
        {
            RemoveAt(slot);
            Shrink();
        }
    }

    /// <summary>Drops <paramref name="firstStripe"/> and all stripes behind it, with what they hold: the device was truncated.</summary>
    public void RemoveFrom(long firstStripe)
    {
        for (int slot = Count - 1; slot >= 0; slot--)
        {
            if (_entries[slot].Stripe >= firstStripe)
            {
                RemoveAt(slot);
            }
        }

        Shrink();
    }

    /// <summary>
    /// The next stripe of a round over all of them. A cursor of 0 begins a round; false means that the round is over, and sets the cursor back to 0.
    /// Stripes may come and go between the calls: those that are there all through a round are visited at least once in it, new ones perhaps only in the next.
    /// </summary>
    public bool NextStripe(ref long cursor, out long stripe, [NotNullWhen(true)] out StripeIndex? index)
    {
        // The cursor is one more than the number of entries that are still to be visited, which are the first ones.
        long left = cursor == 0 ? Count : Math.Min(cursor - 1, Count);
        if (left <= 0)
        {
            cursor = 0;
            stripe = 0;
            index = null;
            return false;
        }

        ref readonly Entry entry = ref _entries[left - 1];
        cursor = left;
        stripe = entry.Stripe;
        index = entry.Index;
        return true;
    }

    private static uint Mix(long stripe)
    {
        // Shards are chosen by a hash of the same number, so this one must not share its bits.
        ulong mixed = ((ulong)stripe ^ ((ulong)stripe >> 29)) * 0xD6E8FEB86659FD93;
        mixed = (mixed ^ (mixed >> 32)) * 0xD6E8FEB86659FD93;
        return (uint)(mixed >> 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private int Bucket(long stripe) => (int)(Mix(stripe) & (uint)(_buckets.Length - 1));

    private void RemoveAt(int slot)
    {
        LinkTo(slot) = _entries[slot].Next;
        int last = Count - 1;
        if (slot != last)
        {
            LinkTo(last) = slot;
            _entries[slot] = _entries[last];
        }

        _entries[last] = default;
        Count = last;
    }

    /// <summary>The link, in the bucket or in another entry of its chain, that leads to <paramref name="slot"/>.</summary>
    private ref int LinkTo(int slot)
    {
        ref int link = ref _buckets[Bucket(_entries[slot].Stripe)];
        while (link != slot)
        {
            link = ref _entries[link].Next;
        }

        return ref link;
    }

    private void Shrink()
    {
        if (_entries.Length > KeptCapacity && Count * 4 <= _entries.Length)
        {
            Rehash(Math.Max(KeptCapacity, (int)BitOperations.RoundUpToPowerOf2((uint)Count * 2)));
        }
    }

    [MemberNotNull(nameof(_buckets), nameof(_entries))]
    private void Rehash(int capacity)
    {
        Entry[] entries = new Entry[capacity];
        _entries?.AsSpan(0, Count).CopyTo(entries);
        _entries = entries;
        _buckets = new int[capacity];
        _buckets.AsSpan().Fill(None);
        for (int slot = 0; slot < Count; slot++)
        {
            ref int head = ref _buckets[Bucket(entries[slot].Stripe)];
            entries[slot].Next = head;
            head = slot;
        }
    }

    private struct Entry
    {
        public long Stripe;
        public StripeIndex Index;
        public int Next;
    }
}
