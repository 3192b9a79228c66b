using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>
/// What is cached and where it stands: region, segments, index, and how long the device is. A read-only device has
/// nothing else; a writable one has an <see cref="ExtentWriter"/> beside it.
/// </summary>
/// <remarks>
/// Keeps true: payload is copied without any lock, and its segment's generation is checked again after the copy, so
/// what was copied is what the index named; with payload checksums on, nothing is returned that doesn't fit its
/// checksum. Knows no backing, no clock and no settings, and waits for nothing but latches. Any thread.
/// </remarks>
internal sealed class ExtentStore
{
    /// <summary>Longest device: keys and plans have to be able to name its end.</summary>
    public const long MaxLength = (long.MaxValue & -(long)MediaConstants.StripeSize) - MediaConstants.StripeSize;

    private readonly IDamageListener _listener;
    private readonly bool _dropsDamaged;
    private long _length;
    private int _lengthChanges;

    /// <param name="found">What stands on the medium, and the index made of it.</param>
    /// <param name="length">The device's length in bytes.</param>
    /// <param name="verifyReads">Whether reads compare payload with its checksum, where it has one.</param>
    /// <param name="dropsDamaged">Whether damaged payload that the backing has too leaves the index; else it is
    /// passed over each time.</param>
    /// <param name="listener">Is told of damage.</param>
    public ExtentStore(FoundExtents found, long length, bool verifyReads, bool dropsDamaged, IDamageListener listener)
    {
        Region = found.Region;
        Media = found.Media;
        Segments = found.Segments;
        Index = found.Index;
        Memory = found.Memory;
        Positions = found.Positions;
        Dirty = found.Dirty;
        PayloadCrc = found.Media.Flags.PayloadCrc;
        VerifiesReads = PayloadCrc && verifyReads;
        Damage = new DamageRegistry(found.Index, listener);
        _listener = listener;
        _dropsDamaged = dropsDamaged;
        _length = length;
    }

    /// <summary>Where everything stands.</summary>
    public PmemRegion Region { get; }

    /// <summary>The structures of the medium as they were loaded, and as they were written since.</summary>
    public MediaState Media { get; }

    /// <summary>Uses, references and generations of the segments.</summary>
    public SegmentTable Segments { get; }

    /// <summary>Which payload has which sector.</summary>
    public ShardedIndex Index { get; }

    /// <summary>The bound on the index's memory.</summary>
    public IndexMemory Memory { get; }

    /// <summary>Ends of the log, and how far write-back is.</summary>
    public LogPositions Positions { get; }

    /// <summary>What the backing doesn't have yet.</summary>
    public DirtyCounters Dirty { get; }

    /// <summary>Dirty data that doesn't fit its checksum.</summary>
    public DamageRegistry Damage { get; }

    /// <summary>Batches that entered the index as a whole.</summary>
    public PublishedBatches Batches { get; } = new();

    /// <summary>What the operations count.</summary>
    public CounterSet Counters { get; } = new();

    /// <summary>Tells this device's payload from that of every other one of the process.</summary>
    public long DeviceNumber { get; } = MergedSector.NewDevice();

    /// <summary>Whether keys have a checksum of their payload.</summary>
    public bool PayloadCrc { get; }

    /// <summary>Whether reads compare payload with its checksum.</summary>
    public bool VerifiesReads { get; }

    /// <summary>Length of the device in bytes.</summary>
    public long Length => Volatile.Read(ref _length);

    /// <summary>
    /// Goes up with every change of the length: a caller that compares a length with something read later looks here
    /// before and after.
    /// </summary>
    public int LengthChanges => Volatile.Read(ref _lengthChanges);

    /// <summary>
    /// Publishes a length: of a growth once the log is told of it, of a truncation before it is cut, under all shards'
    /// locks.
    /// </summary>
    public void ChangeLength(long length)
    {
        Volatile.Write(ref _length, length);
        Interlocked.Increment(ref _lengthChanges);
    }

    /// <summary>What of a range lies inside the device.</summary>
    public int Clip(long offset, int length) => (int)Math.Clamp(Length - offset, 0, length);

    /// <summary>Place on the region of an extent's first payload byte.</summary>
    public long PayloadAddress(in Extent extent) =>
        Segments.DataOffset((int)extent.Segment) + ((long)extent.PayloadSector * MediaConstants.SectorSize);

    /// <summary>Whether the extent's segment was given to others since.</summary>
    public bool IsDead(in Extent extent) =>
        (Segments.Generation((int)extent.Segment) & Extent.GenerationMask) != extent.Generation;

    /// <summary>
    /// Copies a part of an extent's payload. False: the extent is dead, or was clean and damaged and has been
    /// dropped: to the caller it is a gap.
    /// </summary>
    /// <param name="stripe">The extent's stripe.</param>
    /// <param name="extent">What the index shows.</param>
    /// <param name="skipBytes">Bytes of the extent before the part.</param>
    /// <param name="destination">Where the part goes.</param>
    /// <param name="verify">Whether the whole payload has to fit its checksum.</param>
    /// <param name="locked">Whether the caller holds the shard's lock.</param>
    /// <exception cref="PCacheDamagedDataException">The payload is damaged, and there is no other copy of
    /// it.</exception>
    public bool TryCopy(long stripe, in Extent extent, int skipBytes, Span<byte> destination, bool verify, bool locked)
    {
        if (IsDead(in extent))
        {
            return false;
        }

        Region.CopyOut(PayloadAddress(in extent) + skipBytes, destination);
        bool fits = !verify || PayloadFits(in extent);

        // Loads of the payload before the load of the generation: the thread that reuses the segment raises it before
        // the first store.
        Volatile.ReadBarrier();
        if (IsDead(in extent))
        {
            return false;
        }

        return fits || DropIfClean(stripe, in extent, locked);
    }

    /// <summary>Whether the whole payload of the key that an extent is part of fits its checksum.</summary>
    public bool PayloadFits(in Extent extent)
    {
        long start = PayloadAddress(in extent) - ((long)(extent.Start - extent.KeyStart) * MediaConstants.SectorSize);
        return Crc32C.HashToUInt32(Region.ReadSpan(start, extent.KeyLength * MediaConstants.SectorSize))
            == extent.PayloadCrc;
    }

    /// <summary>
    /// Damaged payload: dropped where the backing has the same data (false: a gap now); else an error.
    /// </summary>
    private bool DropIfClean(long stripe, in Extent extent, bool locked)
    {
        bool stillThere;
        if (locked
            ? Damage.DropIfCleanLocked(stripe, in extent, _dropsDamaged, out stillThere)
            : Damage.DropIfClean(stripe, in extent, _dropsDamaged, out stillThere))
        {
            return false;
        }

        if (!stillThere)
        {
            return false; // overwritten meanwhile: look again
        }

        long offset = (stripe << ShardedIndex.StripeShift) + ((long)extent.Start * MediaConstants.SectorSize);
        long lengthBytes = (long)extent.Length * MediaConstants.SectorSize;
        _listener.DamageMet(offset, lengthBytes);
        throw new PCacheDamagedDataException(offset, lengthBytes);
    }
}

/// <summary>What an open found on a region.</summary>
internal sealed record FoundExtents(
    PmemRegion Region,
    MediaState Media,
    SegmentTable Segments,
    ShardedIndex Index,
    IndexMemory Memory,
    LogPositions Positions,
    DirtyCounters Dirty);
