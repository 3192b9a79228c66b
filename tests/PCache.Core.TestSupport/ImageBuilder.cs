using System.Runtime.InteropServices;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Tests.Support;

/// <summary>
/// Makes small images by hand: formats, then appends ksets and forges structures. Payload goes to segment 1 unless said
/// otherwise.
/// </summary>
internal sealed class ImageBuilder : IDisposable
{
    public const int SegmentSize = 64 << 10;

    private readonly Dictionary<int, int> _payloadEnd = [];

    /// <param name="segments">Number of segments.</param>
    /// <param name="payloadCrc">Whether payload has checksums.</param>
    /// <param name="firstSequence">Number of the first kset; 0: none.</param>
    /// <param name="linux">The Linux geometry, on a device as large as Linux wants it, whatever the number of
    /// segments.</param>
    public ImageBuilder(int segments = 6, bool payloadCrc = true, uint firstSequence = 1000, bool linux = false)
    {
        int segmentSize = linux ? MediaConstants.LinuxSegmentSize : SegmentSize;
        long length = linux ? MediaConstants.LinuxMinDeviceSize : MediaConstants.SegmentsOffset
            + ((long)segments * SegmentSize);
        Region = TestRegion.Create(length);
        Formatter.Format(Region, new FormatParameters
        {
            SegmentSizeBytes = linux ? null
            : segmentSize,
            PayloadCrc = payloadCrc,
            Label = "test",
            CacheId = new Guid("00112233-4455-6677-8899-aabbccddeeff")
        });
        Geometry = new Geometry(segmentSize, Geometry.SegmentsThatFit(length, segmentSize), isLinux: linux);
        NextSequence = firstSequence;
    }

    public TestRegion Region { get; }

    public Geometry Geometry { get; }

    /// <summary>Where the next kset goes.</summary>
    public LogPosition Head { get; set; }

    /// <summary>Number of the next kset; 0: ksets without numbers, as Linux writes them.</summary>
    public uint NextSequence { get; set; }

    public long DeviceOffset(LogPosition position) => Geometry.DataOffset(position.Segment) + position.Offset;

    /// <summary>A key whose payload is stored.</summary>
    public CacheKey Key(ulong offset, int length = 512, byte fill = 7, int segment = 1, uint flags =
        0, ulong generation = 0)
    {
        int at = _payloadEnd.GetValueOrDefault(segment);
        _payloadEnd[segment] = at + length;
        Span<byte> payload = Region.Bytes(DeviceOffset(new LogPosition(segment, at)), length);
        payload.Fill(fill);
        return new CacheKey
        {
            Offset = offset,
            Length = (uint)length,
            Flags = flags,
            Segment = (uint)segment,
            SegmentOffset = (uint)at,
            Generation = generation,
            PayloadCrc = Crc32C.HashToUInt32(payload),
        };
    }

    public LogPosition Append(params CacheKey[] keys) => Put((uint)keys.Length, keys, last: false);

    /// <summary>
    /// Appends a kset of <paramref name="keys"/> keys for consecutive sectors from <paramref name="offset"/> on,
    /// sharing one payload.
    /// </summary>
    public LogPosition AppendMany(int keys, ulong offset = 0)
    {
        CacheKey first = Key(offset);
        CacheKey[] all = new CacheKey[keys];
        for (int i = 0; i < keys; i++)
        {
            all[i] = first;
            all[i].Offset = offset + ((ulong)i * 512);
        }

        return Append(all);
    }

    public LogPosition Link(int next)
    {
        LogPosition at = Put((uint)next, [], last: true);
        Head = new LogPosition(next, 0);
        return at;
    }

    public LogPosition Put(uint count, CacheKey[] keys, bool last)
    {
        KsetHeader header = new()
        {
            KeyCount = count,
            Magic = MediaConstants.KsetMagic,
            FlagsAndSequence = KsetHeader.MakeFlags(last, barrier: false, NextSequence)
        };
        byte[] bytes = new byte[24 + (40 * keys.Length)];
        MemoryMarshal.Write(bytes, in header);
        MemoryMarshal.AsBytes(keys.AsSpan()).CopyTo(bytes.AsSpan(24));
        MemoryMarshal.Write(bytes, Crc32C.HashToUInt32(bytes.AsSpan(4)));
        LogPosition at = Head;
        bytes.CopyTo(Region.Bytes(DeviceOffset(at), bytes.Length));
        Head = new LogPosition(at.Segment, at.Offset + bytes.Length);
        if (NextSequence != 0)
        {
            NextSequence = SequenceTracker.Next(NextSequence);
        }

        return at;
    }

    public void SetKeyTail(LogPosition position) =>
        SetTail(MediaConstants.KeyTailOffset, (uint)position.Segment, (uint)position.Offset);

    public void SetDirtyTail(LogPosition position) =>
        SetTail(MediaConstants.DirtyTailOffset, (uint)position.Segment, (uint)position.Offset);

    public void SetTail(long offset, uint segment, uint at) =>
        Change<PositionRecord>(offset, MediaConstants.PositionStride, (ref PositionRecord r) =>
            (r.Segment, r.Offset) = (segment, at));

    public void SetGeneration(int segment, ulong generation) => Change<GenerationRecord>(
        GenerationOffset(segment), MediaConstants.GenerationStride, (ref GenerationRecord r) =>
            r.Generation = generation);

    public long GenerationOffset(int segment) => Geometry.SegmentOffset(segment) + MediaConstants.SegmentControlOffset;

    public void ChangeInfo(Change<CacheInfo> change) =>
        Change(MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, change);

    public void ChangeSegmentInfo(int segment, Change<SegmentInfo> change) =>
        Change(Geometry.SegmentOffset(segment), MediaConstants.SegmentInfoStride, change);

    /// <summary>Writes a replicated structure as an ordinary update does.</summary>
    public void Change<T>(long offset, int stride, Change<T> change)
        where T : unmanaged
    {
        Replicas.Read(Region, offset, stride, out T value, out _, out ReplicaState state);
        change(ref value);
        Replicas.Write(Region, offset, stride, ref value, ref state);
    }

    /// <summary>Changes the superblock and makes its checksum right again.</summary>
    public void ChangeSuperblock(Change<Superblock> change)
    {
        Span<byte> bytes = Region.Bytes(MediaConstants.SuperblockOffset, 24);
        change(ref MemoryMarshal.AsRef<Superblock>(bytes));
        MemoryMarshal.Write(bytes, Crc32C.HashToUInt32(bytes[4..]));
    }

    public void Flip(long offset) => Region.Bytes(offset, 1)[0] ^= 0x40;

    public MediaState Load() => MediaLoader.Load(Region);

    public ReplayResult Replay(long? backingLength = null, IReplaySink? sink = null) =>
        LogReplay.Run(Region, Load(), sink ?? new CountingSink(), backingLength);

    public void Dispose() => Region.Dispose();
}

internal delegate void Change<T>(ref T value);
