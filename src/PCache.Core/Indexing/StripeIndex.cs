using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace PCache.Core.Indexing;

/// <summary>
/// The interval map of one 4 MiB stripe: which payload holds the latest version of each of its 8192 sectors. This is
/// a handle to an entry of a <see cref="StripeDirectory"/>, valid until stripes are removed from it.
/// </summary>
/// <remarks>
/// What it keeps true: extents come in order, never overlap, lie inside the stripe and have at least one sector; a
/// gap is never stored; each sector belongs to the extent that was inserted last over it; a trimmed extent keeps its
/// logged key and checksum, and its payload sector moves along with its start; parts of one key that touch each other
/// are shown as one extent, however they are stored: a slot for each page, and one for each sector of pages that are
/// covered in part (<see cref="Slot"/>, <see cref="StripeEntry"/>); an operation that can't get memory changes
/// nothing. Not thread-safe: the caller holds the shard's lock. Nothing here allocates on the managed heap. Units:
/// sectors of 512 bytes; ranges are [start, end).
/// </remarks>
internal readonly unsafe partial struct StripeIndex : IEquatable<StripeIndex>
{
    /// <summary>Sectors of a stripe.</summary>
    public const int SectorCount = (4 << 20) / 512;

    private readonly StripeDirectory _directory;
    private readonly int _slot;

    internal StripeIndex(StripeDirectory directory, int slot)
    {
        _directory = directory;
        _slot = slot;
    }

    /// <summary>Number of the stripe.</summary>
    public long Stripe => Entry->Stripe;

    /// <summary>Whether nothing is in it.</summary>
    public bool IsEmpty => Entry->Chunks == 0;

    /// <summary>Number of extents; counted anew each time.</summary>
    public int Count
    {
        get
        {
            int count = 0;
            foreach (Extent _ in this)
            {
                count++;
            }

            return count;
        }
    }

    private StripeEntry* Entry
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => _directory.EntryAt(_slot);
    }

    /// <summary>
    /// Puts <paramref name="extent"/> over whatever is in its range; what sticks out of it on either side stays,
    /// trimmed.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Insert(in Extent extent)
    {
        if (extent.Length == Slot.PageSectors && (extent.Start & (Slot.PageSectors - 1)) == 0
            && extent.Start < SectorCount)
        {
            InsertPage(in extent);
            return;
        }

        InsertAny(in extent);
    }

    /// <summary>Puts the slot of a whole page over whatever is there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void InsertPage(int page, Slot packed)
    {
        StripeEntry* entry = Entry;
        Slot* slot = StripeEntry.Find(entry, page);
        if (slot == null || slot->Kind == SlotKind.Fragmented)
        {
            slot = MakePage(page);
        }

        *slot = packed;
        GC.KeepAlive(_directory);
    }

    /// <summary>
    /// Appends what is in [start, end) to <paramref name="pieces"/>, clipped and in order, with gaps where nothing
    /// is, so that the pieces tile the range exactly. Returns the number of pieces appended.
    /// </summary>
    public int Lookup(int start, int end, ExtentBuffer pieces)
    {
        CheckRange(start, end);
        int before = pieces.Count;
        int position = start;
        var runs = new ExtentRuns(Entry, start, end);
        while (runs.MoveNext(out Extent extent))
        {
            if (extent.Start > position)
            {
                pieces.Add(Gap(position, extent.Start));
            }

            pieces.Add(in extent);
            position = extent.End;
        }

        if (position < end)
        {
            pieces.Add(Gap(position, end));
        }

        GC.KeepAlive(_directory);
        return pieces.Count - before;
    }

    /// <summary>True, with the clipped extent, if one extent covers all of [start, end).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryGetSingle(int start, int end, out Extent piece)
    {
        CheckRange(start, end);
        int page = start >> 3;
        Slot* slot = StripeEntry.Find(Entry, page);
        if (slot == null)
        {
            piece = default;
            return false;
        }

        if (((end - 1) >> 3) == page && slot->Kind != SlotKind.Fragmented)
        {
            piece = slot->Advance(start & (Slot.PageSectors - 1)).Unpack(start, end - start);
            GC.KeepAlive(_directory);
            return true;
        }

        return TryGetSingleRun(start, end, out piece);
    }

    /// <summary>
    /// Makes the key of a whole extent clean, as far as it is still shown, where that can be told from one slot: an
    /// extent of one whole page that isn't taken apart. False: nothing was done, and <see cref="ReplaceWhere"/> has
    /// to.
    /// </summary>
    public bool TryMarkPageClean(in Extent extent)
    {
        if (extent.Length != Slot.PageSectors || (extent.Start & (Slot.PageSectors - 1)) != 0)
        {
            return false;
        }

        Slot* slot = StripeEntry.Find(Entry, extent.Start >> 3);
        if (slot != null && slot->Kind == SlotKind.Fragmented)
        {
            return false;
        }

        if (slot != null && slot->IsSameButClean(Slot.Pack(in extent)))
        {
            slot->MakeClean();
        }

        GC.KeepAlive(_directory);
        return true;
    }

    /// <summary>Makes [start, end) a gap.</summary>
    public void Remove(int start, int end)
    {
        var all = default(AllFilter);
        RemoveWhere(start, end, ref all);
    }

    /// <summary>
    /// Makes gaps of those parts of [start, end) whose extent matches. The filter is asked once about each extent, in
    /// order, and sees its first page or sector in the range.
    /// </summary>
    public void RemoveWhere<TFilter>(int start, int end, ref TFilter filter)
        where TFilter : struct, IExtentFilter
    {
        CheckRange(start, end);
        _directory.Arena.EnsureRoom();
        RemoveMatching(start, end, ref filter);
        GC.KeepAlive(_directory);
    }

    /// <summary>
    /// Puts <paramref name="replacement"/> over just those parts of its range whose extent matches; gaps and other
    /// extents stay. Appends the parts of it that went in, in order, to <paramref name="replaced"/>; parts that touch
    /// each other are one. Returns their number. The filter is asked once about each extent, in order, and sees its
    /// first page or sector in the range.
    /// </summary>
    public int ReplaceWhere<TFilter>(in Extent replacement, ref TFilter filter, ExtentBuffer replaced)
        where TFilter : struct, IExtentFilter
    {
        int start = replacement.Start;
        int end = replacement.End;
        CheckRange(start, end);
        int before = replaced.Count;
        int partStart = -1;
        int partEnd = -1;
        var cursor = new SlotCursor(Entry, start, end);
        var judge = default(Judge);
        while (cursor.MoveNext())
        {
            if (!judge.Matches(cursor.Start, cursor.Length, cursor.Slot, ref filter))
            {
                continue;
            }

            if (cursor.Start != partEnd)
            {
                if (partEnd >= 0)
                {
                    replaced.Add(replacement.Clip(partStart, partEnd));
                }

                partStart = cursor.Start;
            }

            partEnd = cursor.Start + cursor.Length;
        }

        if (partEnd >= 0)
        {
            replaced.Add(replacement.Clip(partStart, partEnd));
        }

        _directory.Arena.EnsureRoom();
        foreach (ref readonly Extent part in replaced.AsSpan()[before..])
        {
            InsertReserved(in part);
        }

        GC.KeepAlive(_directory);

        return replaced.Count - before;
    }

    /// <summary>Forgets everything and gives the memory back.</summary>
    public void Clear()
    {
        StripeEntry.Clear(_directory.Arena, Entry);
        GC.KeepAlive(_directory);
    }

    /// <summary>All extents in order. The index must not change meanwhile.</summary>
    public Enumerator GetEnumerator() => new(this);

    public bool Equals(StripeIndex other) => ReferenceEquals(_directory, other._directory) && _slot == other._slot;

    public override bool Equals(object? obj) => obj is StripeIndex other && Equals(other);

    public override int GetHashCode() => _slot;

    private static Extent Gap(int start, int end) =>
        new() { Start = (ushort)start, Length = (ushort)(end - start), Flags = ExtentFlags.Gap };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void CheckRange(int start, int end)
    {
        if ((uint)start >= (uint)end || (uint)end > SectorCount)
        {
            ThrowRange(start, end);
        }
    }

    [DoesNotReturn]
    private static void ThrowRange(int start, int end) =>
        throw new ArgumentOutOfRangeException(
            nameof(start), $"[{start}, {end}) is not a range of sectors of a stripe.");

    /// <summary>Walks all extents of an index.</summary>
    internal struct Enumerator
    {
        private readonly StripeDirectory _directory;
        private ExtentRuns _runs;
        private Extent _current;

        internal Enumerator(StripeIndex index)
        {
            _directory = index._directory;
            _runs = new ExtentRuns(index.Entry, 0, SectorCount);
        }

        /// <summary>The extent reached.</summary>
        public readonly Extent Current => _current;

        public bool MoveNext()
        {
            bool moved = _runs.MoveNext(out _current);
            GC.KeepAlive(_directory);
            return moved;
        }
    }

    private readonly struct AllFilter : IExtentFilter
    {
        public bool Matches(in Extent extent) => true;
    }
}
