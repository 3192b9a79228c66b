using System.Numerics;
using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <content>
/// How the extents are stored: a sorted array. One search finds a place, one move makes room there; the array grows by doubling, and halves when it is a quarter full.
/// </content>
internal sealed partial class StripeIndex
{
    // One page in each of many stripes must stay cheap, so the first array holds one extent; what has grown to this size is kept until Clear.
    private const int KeptCapacity = 4;

    private Extent[] _extents = [];
    private int _count;

    /// <summary>Throws if an invariant doesn't hold: for tests.</summary>
    public void Validate()
    {
        int position = 0;
        foreach (Extent extent in this)
        {
            bool sound = extent.Start >= position && extent.Length > 0 && extent.End <= SectorCount && !extent.IsGap
                && (extent.IsPlaceholder || (extent.KeyStart <= extent.Start && extent.KeyStart + extent.KeyLength >= extent.End));
            if (!sound)
            {
                throw new InvalidOperationException($"Extent [{extent.Start}, {extent.End}) of key [{extent.KeyStart}, +{extent.KeyLength}) after sector {position}.");
            }

            position = extent.End;
        }

        bool fits = _extents.Length == 0 ? _count == 0 : BitOperations.IsPow2(_extents.Length) && _count <= _extents.Length;
        if (!fits || (_extents.Length > KeptCapacity && _count * 4 <= _extents.Length))
        {
            throw new InvalidOperationException($"{_count} extents in an array of {_extents.Length}.");
        }
    }

    /// <summary>Index of the first extent that ends after <paramref name="sector"/>, or the count.</summary>
    private int FirstEndingAfter(int sector)
    {
        ReadOnlySpan<Extent> extents = _extents.AsSpan(0, _count);
        int low = 0;
        int length = extents.Length;
        while (length > 0)
        {
            int half = length >> 1;
            bool right = extents[low + half].End <= sector;
            low = right ? low + half + 1 : low;
            length = right ? length - half - 1 : half;
        }

        return low;
    }

    /// <summary>Index of the first extent from <paramref name="from"/> on that starts at <paramref name="sector"/> or later, or the count.</summary>
    private int FirstStartingAt(int from, int sector)
    {
        // Ranges are mostly as long as an extent or two, so walking beats a second search.
        int i = from;
        while (i < _count && _extents[i].Start < sector)
        {
            i++;
        }

        return i;
    }

    /// <summary>
    /// Cuts [start, end) out of the extents first..limit-1, which are all that overlap it, and leaves room for <paramref name="room"/> extents there, which the caller fills.
    /// Returns the index of that room.
    /// </summary>
    private int MakeHole(int first, int limit, int start, int end, int room)
    {
        Extent left = default;
        Extent right = default;
        if (first < limit)
        {
            left = _extents[first];
            right = _extents[limit - 1];
        }

        bool keepLeft = first < limit && left.Start < start;
        bool keepRight = first < limit && right.End > end;
        int at = first + (keepLeft ? 1 : 0);
        Resize(first, limit, room + (keepLeft ? 1 : 0) + (keepRight ? 1 : 0));
        if (keepLeft)
        {
            _extents[first] = left.Clip(0, start);
        }

        if (keepRight)
        {
            _extents[at + room] = right.Clip(end, SectorCount);
        }

        return at;
    }

    /// <summary>Makes the extents first..limit-1 <paramref name="newLength"/> ones, with one move of what follows; their contents are the caller's to set.</summary>
    private void Resize(int first, int limit, int newLength)
    {
        int newCount = _count - (limit - first) + newLength;
        int capacity = _extents.Length;
        if (newCount > capacity)
        {
            // A split adds two at a time, so doubling once may not do when the array is tiny.
            capacity = (int)BitOperations.RoundUpToPowerOf2((uint)newCount);
        }
        else
        {
            while (capacity > KeptCapacity && newCount * 4 <= capacity)
            {
                capacity >>= 1;
            }
        }

        Span<Extent> old = _extents.AsSpan(0, _count);
        if (capacity != _extents.Length)
        {
            _extents = new Extent[capacity];
            old[..first].CopyTo(_extents);
        }

        old[limit..].CopyTo(_extents.AsSpan(first + newLength));
        _count = newCount;
    }

    /// <summary>Walks all extents of an index.</summary>
    internal struct Enumerator
    {
        private readonly StripeIndex _index;
        private int _position;

        internal Enumerator(StripeIndex index)
        {
            _index = index;
            _position = -1;
        }

        /// <summary>The extent reached.</summary>
        public readonly Extent Current
        {
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => _index._extents[_position];
        }

        public bool MoveNext() => ++_position < _index._count;
    }
}
