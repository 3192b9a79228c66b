using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>
/// The structures of a damaged image, as far as they can be had. Keeps true: every chain entry is -1 or a segment
/// that begins on the device, named once; positions lie inside a data area; arrays are as long as the device has
/// segments, whatever a field says; nothing outside the region is read; what isn't known is null, never a guess, but
/// for geometry and chain, whose guesses are reported.
/// </summary>
internal sealed class RescueLayout
{
    private readonly FindingList _findings;
    private uint _statedCount;
    private uint _firstSegment;
    private Geometry? _geometry;

    private RescueLayout(PmemRegion region, FindingList findings)
    {
        Region = region;
        _findings = findings;
    }

    public PmemRegion Region { get; }

    /// <summary>Sizes and places. Known once the superblock was looked at.</summary>
    public Geometry Geometry =>
        _geometry ?? throw new InvalidOperationException("The superblock hasn't been looked at.");

    /// <summary>
    /// Segments in the chain as stated; those from <see cref="Chain"/>'s length on lie beyond the device's end.
    /// </summary>
    public long StatedChainLength { get; private set; }

    /// <summary>Cache segment to physical segment; -1: not known.</summary>
    public int[] Chain { get; private set; } = [];

    /// <summary>Generation by cache segment; null: both replicas are bad.</summary>
    public ulong?[] Generations { get; private set; } = [];

    /// <summary>Null: both replicas are bad.</summary>
    public CacheFlags? Flags { get; private set; }

    /// <summary>Whether both replicas of the cache info are zero, as unfinished formatting leaves them.</summary>
    public bool IsCacheInfoBlank { get; private set; }

    public LogPosition? KeyTail { get; private set; }

    public LogPosition? DirtyTail { get; private set; }

    public ExtensionBlock? Extension { get; private set; }

    /// <summary>Replicas of the extension block.</summary>
    public ReplicaState ExtensionReplicas { get; private set; }

    /// <summary>Loads what there is.</summary>
    /// <exception cref="PCacheNotFormattedException">Nothing on the region looks like a cache.</exception>
    public static RescueLayout Load(PmemRegion region, FindingList findings, int? segmentSize)
    {
        if (region.LengthBytes < MediaConstants.SegmentsOffset)
        {
            throw new PCacheNotFormattedException(
                Text($"The device has {region.LengthBytes} bytes, too few for a cache: there is none on it. Check the "
                    + $"path."));
        }

        RescueLayout layout = new(region, findings);
        layout.LoadCacheInfo();
        layout.LoadGeometry(segmentSize);
        layout.LoadChain();
        layout.KeyTail = layout.LoadTail("key tail", "key-tail", MediaConstants.KeyTailOffset);
        layout.DirtyTail = layout.LoadTail("dirty tail", "dirty-tail", MediaConstants.DirtyTailOffset);
        ExtensionBlocks.Read(region, out ExtensionBlock? extension, out ReplicaState replicas);
        layout.ExtensionReplicas = replicas;
        layout.Extension = extension is { BackingLength: <= long.MaxValue } ? extension : null;
        return layout;
    }

    /// <summary>
    /// Place on the device of bytes of a data area. False: it isn't known, or not all of it is on the device.
    /// </summary>
    public bool TryPlace(long segment, long offset, long length, out long place)
    {
        place = -1;
        if (segment < 0 || segment >= Chain.Length || Chain[segment] < 0 || offset < 0 || length < 0
            || offset > Geometry.DataSize - length)
        {
            return false;
        }

        place = Geometry.DataOffset(Chain[segment]) + offset;
        return place <= Region.LengthBytes - length;
    }

    /// <summary>Place of a byte of a data area, also beyond the device's end; -1: not known.</summary>
    public long PlaceOf(LogPosition position) =>
        position.Segment < Chain.Length && Chain[position.Segment] >= 0
            ? Geometry.DataOffset(Chain[position.Segment]) + position.Offset
            : -1;

    private void LoadCacheInfo()
    {
        ReplicaOutcome outcome = Replicas.Read(
            Region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, out CacheInfo info, out _, out _);
        if (outcome is ReplicaOutcome.Blank or ReplicaOutcome.None)
        {
            IsCacheInfoBlank = outcome == ReplicaOutcome.Blank;
            _findings.Damage("cache-info", "cache info", MediaConstants.CacheInfoOffset,
                "Neither replica is valid. The chain is taken to be all segments in their order, as formatting links "
                + "them; whether payload has checksums is judged by the payload.");
            return;
        }

        Flags = new CacheFlags(info.Flags);
        if (!Flags.Value.Initialised)
        {
            throw new PCacheNotFormattedException(
                Text($"The cache info's flags are 0x{info.Flags:X} without \"initialised\" (bit 1): formatting was not "
                    + $"finished. Nothing was changed; format the device anew."));
        }

        _statedCount = info.SegmentCount is > 0 and <= MediaConstants.MaxSegmentCount ? info.SegmentCount : 0;
        _firstSegment = info.FirstSegment;
    }

    private void LoadGeometry(int? segmentSize)
    {
        Superblock block = default;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<Superblock>(ref block));
        bool readable = true;
        try
        {
            Region.ReadMetadata(MediaConstants.SuperblockOffset, bytes);
        }
        catch (IOException)
        {
            readable = false;
        }

        bool known = block.Magic is MediaConstants.SuperblockMagicLinux or MediaConstants.SuperblockMagicCompact;
        int size = block.Magic == MediaConstants.SuperblockMagicLinux ? MediaConstants.LinuxSegmentSize
            : RescueGeometry.IsSegmentSize(block.SegmentSize) ? (int)block.SegmentSize
            : 0;
        bool sound = readable && known && size > 0 && block.Crc == StructureChecksum.Of(bytes[4..])
            && (block.Flags & MediaConstants.SuperblockBigEndianFlag) == 0;
        if (known && (block.Flags & MediaConstants.SuperblockBigEndianFlag) != 0
            && block.Crc == StructureChecksum.Of(bytes[4..]))
        {
            throw new PCacheNotFormattedException("The image was written by a big-endian machine. Only little-endian "
                + "images can be used; drain it where it was made.");
        }

        if (segmentSize is int given)
        {
            size = given;
        }
        else if (!sound)
        {
            int inferred = RescueGeometry.Infer(Region, _statedCount);
            if (inferred == 0 && !known && Flags is null)
            {
                throw new PCacheNotFormattedException(
                    "Neither superblock nor anything else on the device looks like a cache. Check the path.");
            }

            size = inferred != 0 ? inferred : size != 0 ? size : MediaConstants.LinuxSegmentSize;
        }

        if (!sound)
        {
            _findings.Damage("superblock", "superblock", MediaConstants.SuperblockOffset,
                Text($"It is destroyed. The segment size is taken to be {size} "
                    + $"bytes{(segmentSize is null ? ", as the rest of the image suggests" : ", as given")}."));
        }

        int whole = Geometry.SegmentsThatFit(Region.LengthBytes, size);
        long rest = Region.LengthBytes - MediaConstants.SegmentsOffset - ((long)whole * size);
        int begun = whole + (rest > MediaConstants.SegmentDataOffset && whole < MediaConstants.MaxSegmentCount ? 1 : 0);
        StatedChainLength = _statedCount != 0 ? _statedCount
            : sound && block.SegmentCount is > 0 and <= MediaConstants.MaxSegmentCount ? block.SegmentCount
            : whole;
        int count = (int)Math.Min(StatedChainLength, begun);
        if (StatedChainLength > whole)
        {
            _findings.Damage("cut", "device", Region.LengthBytes,
                Text($"The device has {Region.LengthBytes} bytes and holds {whole} whole segments, but the cache has "
                    + $"{StatedChainLength}: it has been cut. What lay behind is lost unless the rest is found."));
        }

        _geometry = new Geometry(size, count,
            sound ? block.Magic == MediaConstants.SuperblockMagicLinux : size == MediaConstants.LinuxSegmentSize);
    }

    private void LoadChain()
    {
        const int Unreadable = -2;
        const int NoNext = -1;
        int count = Geometry.SegmentCount;
        int[] next = new int[count];
        ulong?[] generations = new ulong?[count];
        int neighbours = 0;
        int others = 0;
        for (int id = 0; id < count; id++)
        {
            long offset = Geometry.SegmentOffset(id);
            ReplicaOutcome outcome = Replicas.Read(
                Region, offset, MediaConstants.SegmentInfoStride, out SegmentInfo info, out _, out ReplicaState state);
            bool valid = outcome is ReplicaOutcome.Both or ReplicaOutcome.One;
            bool hasNext = valid && (info.Flags & SegmentInfo.HasNextFlag) != 0;
            next[id] = !valid
                || (!hasNext && state is { Latest: 1, Sequence: 1 } && outcome == ReplicaOutcome.One
                    && id < StatedChainLength - 1)
                ? Unreadable
                : !hasNext ? NoNext
                : (int)Math.Min(info.Next, int.MaxValue);
            neighbours += hasNext && info.Next == (uint)id + 1 ? 1 : 0;
            others += hasNext && info.Next != (uint)id + 1 ? 1 : 0;
            if (!valid)
            {
                _findings.Damage(
                    "segment-info", "segment info", offset, Text($"Neither replica of segment {id} is valid. It is "
                        + $"taken to be linked to its neighbour, as formatting does."));
            }

            outcome = Replicas.Read(
                Region, offset + MediaConstants.SegmentControlOffset, MediaConstants.GenerationStride,
                out GenerationRecord record, out _, out _);
            generations[id] = outcome is ReplicaOutcome.Both or ReplicaOutcome.One ? record.Generation : null;
            if (generations[id] is null)
            {
                _findings.Damage("generation", "generation", offset + MediaConstants.SegmentControlOffset,
                    Text($"Neither replica of segment {id}'s generation is valid. Keys of the latest generation in the "
                        + $"log count as live there if their payload fits its checksum."));
            }
        }

        Chain = new int[count];
        Generations = new ulong?[count];
        Array.Fill(Chain, -1);
        bool[] seen = new bool[count];
        int at = _firstSegment < (uint)count ? (int)_firstSegment : 0;
        bool broken = false;
        for (int position = 0; position < count; position++)
        {
            if (at < 0 || at >= count || seen[at])
            {
                broken = true;
                break;
            }

            Chain[position] = at;
            seen[at] = true;
            at = next[at] == Unreadable ? at + 1 : next[at];
        }

        if (broken)
        {
            bool inOrder = neighbours >= others;
            _findings.Damage("chain", "segment info", MediaConstants.SegmentsOffset, inOrder
                ? "The chain of segments is broken or goes round. It is taken to be all segments in their order, as "
                    + "formatting links them."
                : "The chain of segments is broken or goes round, and isn't in the order of the segments: behind the "
                    + "break it isn't known.");
            for (int position = 0; inOrder && position < count; position++)
            {
                Chain[position] = position;
            }
        }

        for (int position = 0; position < count; position++)
        {
            Generations[position] = Chain[position] < 0 ? null : generations[Chain[position]];
        }
    }

    private LogPosition? LoadTail(string structure, string code, long offset)
    {
        ReplicaOutcome outcome = Replicas.Read(
            Region, offset, MediaConstants.PositionStride, out PositionRecord record, out PositionRecord older, out _);
        if (outcome is ReplicaOutcome.Blank or ReplicaOutcome.None)
        {
            _findings.Damage(code, structure, offset, structure == "dirty tail"
                ? "Neither replica is valid. Everything in the log counts as dirty."
                : "Neither replica is valid. The log is read from the dirty tail on, or, if that is lost too, from all "
                    + "segments in the order of the ksets' numbers.");
            return null;
        }

        // The older replica is as good a start: nothing before the place that it names has been given away.
        foreach (PositionRecord candidate in (ReadOnlySpan<PositionRecord>)[record, older])
        {
            if (candidate.Segment < StatedChainLength
                && candidate.Offset <= Geometry.DataSize - MediaConstants.KsetHeaderSize && candidate.Offset % 8 == 0)
            {
                return new LogPosition((int)candidate.Segment, (int)candidate.Offset);
            }
        }

        _findings.Damage(code, structure, offset,
            Text($"It names {record.Segment}:{record.Offset}, which is in no data area. It is passed over."));
        return null;
    }

    private static string Text(InvariantText text) => text.Take();
}
