using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <summary>
/// A list of extents that is filled, read and cleared again and again: it allocates only when it has to grow, and
/// keeps what it has grown to. Belongs to one operation at a time; not thread-safe.
/// </summary>
internal sealed class ExtentBuffer
{
    private const int InitialCapacity = 16;

    private Extent[] _items = new Extent[InitialCapacity];

    public int Count { get; private set; }

    /// <summary>
    /// The extent at <paramref name="index"/>; the reference is valid until the next <see cref="Add"/>.
    /// </summary>
    public ref Extent this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)Count, nameof(index));
            return ref _items[index];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(in Extent extent)
    {
        if (Count == _items.Length)
        {
            Array.Resize(ref _items, Count * 2);
        }

        _items[Count++] = extent;
    }

    public void Clear() => Count = 0;

    /// <summary>What was added; valid until the next <see cref="Add"/> or <see cref="Clear"/>.</summary>
    public Span<Extent> AsSpan() => _items.AsSpan(0, Count);
}
