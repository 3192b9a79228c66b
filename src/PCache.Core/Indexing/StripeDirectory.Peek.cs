using System.Numerics;
using PCache.Core.Primitives;

namespace PCache.Core.Indexing;

/// <content>Lookups without the lock.</content>
internal sealed unsafe partial class StripeDirectory
{
    /// <summary>
    /// Looks up [start, end), sectors of one page, without taking the shard's lock. True: <paramref name="found"/> is
    /// the slot of sector <paramref name="start"/> at one moment during the call, and covers all of the range. False
    /// says nothing: look again with the lock. Any thread, inside an operation.
    /// </summary>
    /// <remarks>
    /// What is read stands in memory that others may be changing, or have put to another use; so nothing read counts
    /// before the lock's version is found to be what it was at the beginning, when the lock was free: then no thread
    /// has held it since, and all of it is of one moment. And no place that was read is followed before that was
    /// found for the place itself: it was a true place at that moment, and memory of the arena stays mapped until the
    /// directory is disposed, which no operation under way lets happen. The table is one word, and entries inside its
    /// bounds can be read whatever they have become.
    /// </remarks>
    public bool TryPeek(Latch gate, long stripe, int start, int end, out Slot found)
    {
        found = default;
        long version = gate.Version;
        if ((version & 1) != 0)
        {
            return false;
        }

        Slot* place = PeekPage(gate, version, stripe, start >> 3);
        if (place == null)
        {
            return false;
        }

        Slot slot = *place;
        int inPage = start & (Slot.PageSectors - 1);
        if (slot.Kind != SlotKind.Fragmented)
        {
            slot = slot.Advance(inPage);
        }
        else
        {
            uint sectorBit = 1u << inPage;
            if (end - start != 1 || (slot.SectorMask & sectorBit) == 0 || !gate.IsUnchangedSince(version))
            {
                return false;
            }

            slot = ((Slot*)slot.Low)[BitOperations.PopCount(slot.SectorMask & (sectorBit - 1))];
        }

        found = slot;
        GC.KeepAlive(this);
        return gate.IsUnchangedSince(version);
    }

    /// <summary>
    /// Finds the slot of a page, or of a sector of a page that is taken apart, without taking the shard's lock, so
    /// that it can be overwritten under it without being searched once more. True: <paramref name="found"/> was it at
    /// the moment of its version. False says nothing. Any thread, inside an operation.
    /// </summary>
    public bool TryPeekPlace(Latch gate, long stripe, int sector, bool wholePage, out PeekedPlace found)
    {
        found = default;
        long version = gate.Version;
        Slot* place = (version & 1) != 0 ? null : PeekPage(gate, version, stripe, sector >> 3);
        if (place == null)
        {
            return false;
        }

        Slot slot = *place;
        if ((slot.Kind == SlotKind.Fragmented) == wholePage)
        {
            return false;
        }

        if (!wholePage)
        {
            uint sectorBit = 1u << (sector & (Slot.PageSectors - 1));
            if ((slot.SectorMask & sectorBit) == 0 || !gate.IsUnchangedSince(version))
            {
                return false;
            }

            place = (Slot*)slot.Low + BitOperations.PopCount(slot.SectorMask & (sectorBit - 1));
            if (System.Runtime.Intrinsics.X86.Sse.IsSupported)
            {
                System.Runtime.Intrinsics.X86.Sse.Prefetch0(place);
            }
        }

        found = new PeekedPlace(place, version);
        GC.KeepAlive(this);
        return true;
    }

    /// <summary>
    /// The place of a page's slot, true at the moment of an even version, and in memory that stays mapped; null: it
    /// couldn't be told.
    /// </summary>
    private Slot* PeekPage(Latch gate, long version, long stripe, int page)
    {
        ulong table = Volatile.Read(ref _table);
        int log2 = (int)(table & 63);
        StripeEntry* entries = (StripeEntry*)(table >> 6 << 4);
        int number = entries[Bucket(stripe, ShiftOf(log2))].Head;
        StripeEntry* entry = null;
        for (int step = 0; (uint)number < 1u << log2 && step < LongestWalk; step++)
        {
            if (entries[number].Stripe == stripe)
            {
                entry = entries + number;
                break;
            }

            number = entries[number].Next;
        }

        if (entry == null)
        {
            return null;
        }

        ulong chunkBit = 1UL << (page >> StripeEntry.ChunkShift);
        ulong chunks = entry->Chunks;
        ulong header = entry->Root;
        if ((chunks & chunkBit) == 0)
        {
            return null;
        }

        if ((chunks & (chunks - 1)) != 0)
        {
            if (!gate.IsUnchangedSince(version))
            {
                return null;
            }

            header = ((ulong*)header)[BitOperations.PopCount(chunks & (chunkBit - 1))];
        }

        uint pages = StripeEntry.PagesOf(header);
        uint pageBit = 1u << (page & (StripeEntry.ChunkPages - 1));
        if ((pages & pageBit) == 0 || !gate.IsUnchangedSince(version))
        {
            return null;
        }

        return StripeEntry.SlotsOf(header) + BitOperations.PopCount(pages & (pageBit - 1));
    }
}

/// <summary>The slot of a page or a sector that was found without the lock.</summary>
internal readonly unsafe struct PeekedPlace(Slot* place, long version)
{
    /// <summary>
    /// The version of the shard's lock at which it was found, to be entered with
    /// <see cref="Latch.TryEnterUnchanged"/>.
    /// </summary>
    public long Version { get; } = version;

    /// <summary>
    /// Overwrites it by one of the same length. The caller has entered the shard's lock with <see cref="Version"/>,
    /// and holds it.
    /// </summary>
    public void Set(Slot slot) => *place = slot;
}
