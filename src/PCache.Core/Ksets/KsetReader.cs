using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>What stands at a place in the log.</summary>
internal enum KsetOutcome
{
    /// <summary>A whole kset, the next of the log.</summary>
    Valid,

    /// <summary>All zero bytes: an orderly end.</summary>
    Zeros,

    /// <summary>Neither zeros nor a kset: torn, or damaged.</summary>
    Torn,

    /// <summary>A whole kset, but with another number than the expected one.</summary>
    Leftover,
}

/// <summary>
/// Reads one kset at a time, for replay, write-back and GC alike. Keeps true: a kset is copied out before it is
/// looked at, and what callers see is the copy; magic, key count, bounds, crc and then the sequence number decide, in
/// that order; a kset whose crc fits but whose link or place is impossible is corruption; no allocation per kset. Not
/// thread-safe: each user has its own.
/// </summary>
internal sealed class KsetReader
{
    /// <summary>Size of the largest kset in bytes.</summary>
    public const int MaxKsetBytes =
        MediaConstants.KsetHeaderSize + (MediaConstants.MaxKeysPerKset * MediaConstants.KeySize);

    private const int ReadAheadBytes = 256 << 10;
    private const string Structure = "kset";

    private readonly PmemRegion _region;
    private readonly Geometry _geometry;
    private readonly int[] _chain;
    private readonly bool _readAhead;

    // The bytes [_bufferOffset, _bufferOffset + _bufferLength) of the device; without read-ahead at most the kset at
    // hand.
    private readonly byte[] _buffer;
    private long _bufferOffset;
    private int _bufferLength;

    private KsetHeader _header;
    private int _keysAt;
    private int _keyCount;

    /// <param name="region">The cache device.</param>
    /// <param name="geometry">Its geometry.</param>
    /// <param name="chain">Chain position to physical segment.</param>
    /// <param name="readAhead">Whether bytes may be read long before they are looked at: only where no writer appends
    /// to the log meanwhile.</param>
    public KsetReader(PmemRegion region, Geometry geometry, int[] chain, bool readAhead = false)
    {
        _region = region;
        _geometry = geometry;
        _chain = chain;
        _readAhead = readAhead;
        _buffer = new byte[readAhead ? Math.Min(ReadAheadBytes, geometry.DataSize) : MaxKsetBytes];
    }

    /// <summary>Where the last read kset stands.</summary>
    public LogPosition Position { get; private set; }

    /// <summary>Its byte offset on the device.</summary>
    public long DeviceOffset { get; private set; }

    /// <summary>
    /// Its header, as stored; meaningful for <see cref="KsetOutcome.Valid"/> and <see cref="KsetOutcome.Leftover"/>.
    /// </summary>
    public ref readonly KsetHeader Header => ref _header;

    /// <summary>
    /// Its keys, unchecked (see <see cref="KeyValidator"/>); valid until the next read. Empty for a last kset.
    /// </summary>
    public ReadOnlySpan<CacheKey> Keys =>
        MemoryMarshal.Cast<byte, CacheKey>(_buffer.AsSpan(_keysAt, _keyCount * MediaConstants.KeySize));

    /// <summary>How long the device is once its keys count, in bytes; -1: as long as before.</summary>
    public long DeviceLength => _header.HasLength && _keyCount > 0 ? _header.DeviceLength(in Keys[0]) : -1;

    /// <summary>Its size in bytes.</summary>
    public int SizeBytes => MediaConstants.KsetHeaderSize + (_keyCount * MediaConstants.KeySize);

    /// <summary>Where the log goes on behind it.</summary>
    public LogPosition Next { get; private set; }

    /// <summary>Byte offset on the device of one of its keys.</summary>
    public long KeyDeviceOffset(int index) =>
        DeviceOffset + MediaConstants.KsetHeaderSize + ((long)index * MediaConstants.KeySize);

    /// <summary>
    /// Reads what stands at <paramref name="position"/>, and advances <paramref name="sequence"/> if it is the log's
    /// next kset.
    /// </summary>
    /// <exception cref="PCacheCorruptionException">The crc fits, but the link or the bounds are impossible.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    public KsetOutcome Read(LogPosition position, ref SequenceTracker sequence)
    {
        KsetOutcome outcome = Read(position);
        if (outcome != KsetOutcome.Valid)
        {
            return outcome;
        }

        if (!sequence.Accepts(_header.Sequence))
        {
            return KsetOutcome.Leftover;
        }

        sequence.Advance(_header.Sequence);
        CheckFields();
        return KsetOutcome.Valid;
    }

    /// <summary>
    /// Reads what stands at <paramref name="position"/> without regard to its number and its link: whole, zeros, or
    /// neither.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The position isn't inside a data area.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public KsetOutcome Read(LogPosition position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position.Offset, nameof(position));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(
            position.Offset, _geometry.DataSize - MediaConstants.KsetHeaderSize, nameof(position));
        Position = position;
        _keyCount = 0;
        int room = _geometry.DataSize - position.Offset;
        DeviceOffset = _geometry.DataOffset(_chain[position.Segment]) + position.Offset;
        int at = Fetch(DeviceOffset, MediaConstants.KsetHeaderSize, room);
        ReadOnlySpan<byte> head = _buffer.AsSpan(at, MediaConstants.KsetHeaderSize);
        _header = MemoryMarshal.Read<KsetHeader>(head);
        if (_header.Magic != MediaConstants.KsetMagic)
        {
            return head.ContainsAnyExcept((byte)0) ? KsetOutcome.Torn : KsetOutcome.Zeros;
        }

        int size = MediaConstants.KsetHeaderSize;
        if (_header.IsLast)
        {
            Next = new LogPosition((int)Math.Min(_header.KeyCount, int.MaxValue), 0);
        }
        else
        {
            if (_header.KeyCount is 0 or > MediaConstants.MaxKeysPerKset)
            {
                return KsetOutcome.Torn;
            }

            size += (int)_header.KeyCount * MediaConstants.KeySize;
            if (size > room)
            {
                return KsetOutcome.Torn;
            }

            at = Fetch(DeviceOffset, size, room);
            Next = new LogPosition(position.Segment, position.Offset + size);
        }

        // The header is read from the bytes that the crc is checked over: another fetch may have seen other ones.
        ReadOnlySpan<byte> whole = _buffer.AsSpan(at, size);
        if (MemoryMarshal.Read<uint>(whole) != StructureChecksum.Of(whole[sizeof(uint)..])
            || !whole[..MediaConstants.KsetHeaderSize].SequenceEqual(
                MemoryMarshal.AsBytes(new ReadOnlySpan<KsetHeader>(in _header))))
        {
            return KsetOutcome.Torn;
        }

        Invariant.Holds(_header.IsLast || Next.Offset > position.Offset, "the log goes forward from kset to kset");
        _keysAt = at + MediaConstants.KsetHeaderSize;
        _keyCount = _header.IsLast ? 0 : (int)_header.KeyCount;
        return KsetOutcome.Valid;
    }

    private void CheckFields()
    {
        if (_header.IsLast && _header.KeyCount >= _chain.Length)
        {
            throw new PCacheCorruptionException(Structure, DeviceOffset, string.Create(
                CultureInfo.InvariantCulture, $"The last kset at {Position} links to cache segment {_header.KeyCount}, "
                    + $"allowed are 0 to {_chain.Length - 1}."));
        }

        if (!_header.IsLast && Next.Offset > _geometry.DataSize - MediaConstants.KsetHeaderSize)
        {
            throw new PCacheCorruptionException(Structure, DeviceOffset, string.Create(
                CultureInfo.InvariantCulture,
                $"The kset at {Position} ends at {Next.Offset}, allowed is at most "
                + $"{_geometry.DataSize - MediaConstants.KsetHeaderSize}, as each leaves room for a last kset."));
        }
    }

    /// <summary>Makes sure that the bytes are in the buffer, and says where.</summary>
    private int Fetch(long deviceOffset, int lengthBytes, int roomBytes)
    {
        if (_readAhead)
        {
            if (deviceOffset >= _bufferOffset && deviceOffset + lengthBytes <= _bufferOffset + _bufferLength)
            {
                return (int)(deviceOffset - _bufferOffset);
            }

            int chunk = Math.Min(roomBytes, _buffer.Length);
            _bufferLength = 0;
            try
            {
                _region.ReadMetadata(deviceOffset, _buffer.AsSpan(0, chunk));
                _bufferOffset = deviceOffset;
                _bufferLength = chunk;
                return 0;
            }
            catch (IOException)
            {
                // A bad place somewhere in the chunk: it matters only if it is in the bytes asked for, which are read
                // alone below.
            }
        }

        _bufferLength = 0;
        _region.ReadMetadata(deviceOffset, _buffer.AsSpan(0, lengthBytes));
        return 0;
    }
}
