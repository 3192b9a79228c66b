using System.Globalization;
using System.Runtime.InteropServices;
using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <summary>What a new cache is to be.</summary>
internal sealed record FormatParameters
{
    /// <summary>Null: the Linux geometry (16 MiB). A power of two from 64 KiB to 16 MiB: the compact one.</summary>
    public int? SegmentSizeBytes { get; init; }

    public bool PayloadCrc { get; init; }

    /// <summary>0 to 90.</summary>
    public int GcPercent { get; init; } = CacheFlags.DefaultGcPercent;

    public string? Label { get; init; }

    /// <summary>UUID of the cache; empty: a random one.</summary>
    public Guid CacheId { get; init; }

    /// <summary>Length of the backing to bind; 0: bound later.</summary>
    public long BackingLengthBytes { get; init; }

    public Guid BackingIdentity { get; init; }

    /// <summary>Whether the backing can grow: its length is a least length then.</summary>
    public bool BackingResizable { get; init; }
}

/// <summary>
/// Formats a region. Keeps true: until the very last store the superblock's magic is durably 0, so an interrupted
/// format is never taken for a cache; each step of rule 9 of the format page is durable before the next begins;
/// stores within a step have no order. What Linux writes is written byte for byte alike; where that is one replica of
/// two, the other is written too, with the sequence before, so that it says the same, yields to what Linux writes,
/// and one destroyed replica is never all there was.
/// </summary>
internal static class Formatter
{
    private const int MagicOffset = 8;

    /// <summary>Formats <paramref name="region"/>. All arguments are checked before anything is changed.</summary>
    /// <exception cref="ArgumentException">A parameter is out of range, or the region is too small.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    public static void Format(PmemRegion region, FormatParameters p)
    {
        Geometry geometry = Validate(region, p);
        ExtensionBlock extension = ExtensionBlocks.Create(
            p.CacheId == Guid.Empty ? Guid.NewGuid() : p.CacheId, p.Label);
        extension.BackingLength = (ulong)p.BackingLengthBytes;
        extension.Flags = p.BackingResizable ? ExtensionBlocks.ResizableBackingFlag : 0;
        extension.BackingIdentity = Bytes16.FromGuid(p.BackingIdentity);

        // The magic goes first and comes last, each time alone: one word can't be torn, and without it there is no
        // cache, rather than a damaged one.
        Zero(region, MediaConstants.SuperblockOffset + MagicOffset, sizeof(ulong));
        EndStep(region);
        Zero(region, MediaConstants.SuperblockOffset, MediaConstants.BlockSize);
        EndStep(region);
        ZeroEverything(region, geometry);
        EndStep(region);
        WriteSegments(region, geometry);
        PositionRecord start = default;
        PutBoth(region, MediaConstants.KeyTailOffset, MediaConstants.PositionStride, ref start, first: 0);
        PutBoth(region, MediaConstants.DirtyTailOffset, MediaConstants.PositionStride, ref start, first: 0);
        PutBoth(region, MediaConstants.ExtensionOffset, MediaConstants.ExtensionStride, ref extension, first: 0);
        EndStep(region);
        WriteCacheInfo(region, geometry, p);
        WriteSuperblock(region, geometry);
    }

    /// <summary>What a step stored is durable before the next begins.</summary>
    private static void EndStep(PmemRegion region) => region.Drain();

    private static void WriteCacheInfo(PmemRegion region, Geometry geometry, FormatParameters p)
    {
        CacheInfo info = new()
        {
            FirstSegment = 0,
            SegmentCount = (uint)geometry.SegmentCount,
            Flags = CacheFlags.Create(p.PayloadCrc, p.GcPercent).Value,
        };
        PutBoth(region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, ref info, first: 1);
        EndStep(region);
    }

    private static void WriteSuperblock(PmemRegion region, Geometry geometry)
    {
        Superblock superblock = new()
        {
            Magic = geometry.IsLinux ? MediaConstants.SuperblockMagicLinux : MediaConstants.SuperblockMagicCompact,
            SegmentCount = (uint)geometry.SegmentCount,
            SegmentSize = geometry.IsLinux ? 0 : (uint)geometry.SegmentSize,
        };
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<Superblock>(ref superblock));
        superblock.Crc = StructureChecksum.Of(bytes[4..]);
        ulong magic = superblock.Magic;
        superblock.Magic = 0;
        region.WriteDurably(MediaConstants.SuperblockOffset, bytes);
        superblock.Magic = magic;
        region.WriteDurably(MediaConstants.SuperblockOffset, bytes);
    }

    private static Geometry Validate(PmemRegion region, FormatParameters p)
    {
        ArgumentNullException.ThrowIfNull(region);
        ArgumentNullException.ThrowIfNull(p);
        if (region.IsReadOnly)
        {
            throw new ArgumentException("The region is read-only.", nameof(region));
        }

        ArgumentOutOfRangeException.ThrowIfNegative(p.GcPercent, nameof(p.GcPercent));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(p.GcPercent, CacheFlags.MaxGcPercent, nameof(p.GcPercent));
        ArgumentOutOfRangeException.ThrowIfNegative(p.BackingLengthBytes, nameof(p.BackingLengthBytes));
        bool isLinux = p.SegmentSizeBytes is null;
        int segmentSize = p.SegmentSizeBytes ?? MediaConstants.LinuxSegmentSize;
        if (segmentSize is < MediaConstants.MinSegmentSize or > MediaConstants.LinuxSegmentSize
            || !int.IsPow2(segmentSize))
        {
            throw new ArgumentOutOfRangeException(
                nameof(p), segmentSize, "The segment size must be a power of two from 64 KiB to 16 MiB.");
        }

        int count = Geometry.SegmentsThatFit(region.LengthBytes, segmentSize);
        int least = isLinux ? 1 : MediaConstants.MinCompactSegments;
        if (count < least)
        {
            long needed = MediaConstants.SegmentsOffset + ((long)least * segmentSize);
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"The device has {region.LengthBytes} bytes; segments of "
                    + $"{segmentSize} bytes need at least {needed}."), nameof(region));
        }

        return new Geometry(segmentSize, count, isLinux);
    }

    /// <summary>
    /// Both replicas of everything, all of segment 0's data area, which is the first log segment, and the head of
    /// every other one: so that no kset of an earlier cache, whose generations may be the same, stands behind this
    /// cache's log or where it could link to.
    /// </summary>
    private static void ZeroEverything(PmemRegion region, Geometry geometry)
    {
        Zero(region, MediaConstants.ExtensionOffset, MediaConstants.BlockSize);
        Zero(region, MediaConstants.CacheInfoOffset, MediaConstants.SegmentsOffset - MediaConstants.CacheInfoOffset);

        int head = MediaConstants.SegmentDataOffset + MediaConstants.KsetHeaderSize;
        for (int id = 0; id < geometry.SegmentCount; id++)
        {
            Zero(region, geometry.SegmentOffset(id), id == 0 ? geometry.SegmentSize : head);
        }
    }

    private static void WriteSegments(PmemRegion region, Geometry geometry)
    {
        for (int id = 0; id < geometry.SegmentCount; id++)
        {
            long offset = geometry.SegmentOffset(id);
            SegmentInfo unlinked = new() { Flags = SegmentInfo.TypeCacheData };
            if (id == geometry.SegmentCount - 1)
            {
                PutBoth(region, offset, MediaConstants.SegmentInfoStride, ref unlinked, first: 1);
            }
            else
            {
                Put(region, offset + MediaConstants.SegmentInfoStride, ref unlinked, 1);
                SegmentInfo linked =
                    new() { Flags = SegmentInfo.TypeCacheData | SegmentInfo.HasNextFlag, Next = (uint)(id + 1) };
                Put(region, offset, ref linked, 2);
            }

            GenerationRecord generation = default;
            PutBoth(
                region, offset + MediaConstants.SegmentControlOffset, MediaConstants.GenerationStride, ref generation,
                first: 1);
        }
    }

    private static void Zero(PmemRegion region, long offset, long lengthBytes)
    {
        region.WriteZeros(offset, lengthBytes);
        region.FlushRange(offset, lengthBytes);
    }

    /// <summary>
    /// Writes replica <paramref name="first"/> as Linux does, with sequence 1, and the other one with the sequence
    /// before.
    /// </summary>
    private static void PutBoth<T>(PmemRegion region, long offset, int stride, ref T value, int first)
        where T : unmanaged
    {
        Put(region, offset + (first * (long)stride), ref value, 1);
        Put(region, offset + ((1 - first) * (long)stride), ref value, 0);
    }

    private static void Put<T>(PmemRegion region, long offset, ref T value, byte sequence)
        where T : unmanaged
    {
        Replicas.Seal(ref value, sequence);
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new Span<T>(ref value));
        region.Write(offset, bytes);
        region.FlushRange(offset, bytes.Length);
    }
}
