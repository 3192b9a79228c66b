using System.Buffers;
using Microsoft.Extensions.ObjectPool;
using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Store;

/// <summary>
/// One read of the backing for a range of sectors that isn't cached. Keeps true: <see cref="Id"/> is unique in the
/// life of the device; while a sector's placeholder with this id (or the foreign one that was there at the beginning)
/// stands in the index, the sector hasn't been written since the beginning.
/// </summary>
internal sealed class MissOperation
{
    private IndexShard? _shard;
    private byte[] _buffer = [];
    private int _readLength;
    private int _validLength;
    private int _wholeLength;

    /// <summary>The shard of the range. Set when the miss begins.</summary>
    public IndexShard Shard
    {
        get => _shard ?? throw new InvalidOperationException("The miss hasn't begun.");
        set => _shard = value;
    }

    /// <summary>The stripe of the range.</summary>
    public long Stripe;

    /// <summary>First sector in the stripe.</summary>
    public int Start;

    /// <summary>Sector behind the last one.</summary>
    public int End;

    /// <summary>Id of this miss's placeholders.</summary>
    public ulong Id;

    /// <summary>Whether placeholders of this miss are in the index.</summary>
    public bool HasPlaceholders;

    /// <summary>Placeholders of other misses that were in the range at the beginning.</summary>
    public ExtentBuffer Foreign { get; } = new();

    /// <summary>Scratch.</summary>
    public ExtentBuffer Pieces { get; } = new();

    /// <summary>Room for filling the cache, not yet owned by a key.</summary>
    public List<(PayloadRoom Room, uint Crc)> Rooms { get; } = [];

    /// <summary>Where the backing is read, aligned to its block size.</summary>
    public long ReadOffset { get; private set; }

    /// <summary>What the backing's data goes to.</summary>
    public Memory<byte> ReadBuffer => _buffer.AsMemory(0, _readLength);

    /// <summary>Device offset of the first sector.</summary>
    public long Offset => (Stripe << ShardedIndex.StripeShift) + ((long)Start * MediaConstants.SectorSize);

    /// <summary>The range's data, whole sectors; zeros beyond the end of the backing.</summary>
    public Span<byte> Data => _buffer.AsSpan((int)(Offset - ReadOffset), (End - Start) * MediaConstants.SectorSize);

    /// <summary>
    /// Whether the backing has bytes that count as zeros here: a truncation is about to cut them off, or write-back is
    /// just making it longer, and until then the data isn't the backing's.
    /// </summary>
    public bool IsCut => _validLength < _readLength;

    /// <summary>Whether the backing ends before the range does, and the device doesn't.</summary>
    public bool IsBeyond { get; private set; }

    /// <summary>How often the device had changed its length when the range was measured.</summary>
    public int LengthChanges;

    /// <summary>How many bytes from <see cref="ReadOffset"/> on the backing has to have: the device has them.</summary>
    public int ExpectedBytes => _validLength;

    /// <summary>
    /// Sets what is read and gets a buffer; backing bytes from <paramref name="end"/> on count as zeros.
    /// </summary>
    /// <param name="blockSize">Reads are aligned to it.</param>
    /// <param name="backingLength">How long the backing says it is, in bytes.</param>
    /// <param name="end">How far the backing is known to have what the device has.</param>
    /// <param name="deviceLength">How long the device is, in bytes.</param>
    public void Prepare(int blockSize, long backingLength, long end, long deviceLength)
    {
        ReadOffset = Offset & -(long)blockSize;
        long rangeEnd = Offset + ((long)(End - Start) * MediaConstants.SectorSize);
        int whole = (int)(((rangeEnd + blockSize - 1) & -(long)blockSize) - ReadOffset);
        IsBeyond = end < deviceLength && end < rangeEnd;
        if (_buffer.Length < whole)
        {
            Release();
            _buffer = ArrayPool<byte>.Shared.Rent(whole);
        }

        _wholeLength = whole;
        _readLength = (int)Math.Clamp(backingLength - ReadOffset, 0, whole);
        _validLength = (int)Math.Clamp(end - ReadOffset, 0, whole);
    }

    /// <summary>
    /// Takes note of how many bytes the backing had; what is beyond them or beyond the device is zeros.
    /// </summary>
    public void SetRead(int bytes)
    {
        _buffer.AsSpan(0, _wholeLength)[Math.Min(bytes, _validLength)..].Clear();
    }

    /// <summary>Whether the placeholder says that the sector is as it was when this miss began.</summary>
    public bool IsUntouched(in Extent piece)
    {
        if (!piece.IsPlaceholder)
        {
            return false;
        }

        if (piece.Generation == Id)
        {
            return true;
        }

        foreach (ref readonly Extent foreign in Foreign.AsSpan())
        {
            if (foreign.Generation == piece.Generation && foreign.Start <= piece.Start && foreign.End >= piece.End)
            {
                return true;
            }
        }

        return false;
    }

    private void Release()
    {
        if (_buffer.Length > 0)
        {
            byte[] buffer = _buffer;
            _buffer = [];
            Uninterrupted.Do(buffer, static one => ArrayPool<byte>.Shared.Return(one));
        }
    }

    /// <summary>How the pool makes and takes back operations.</summary>
    internal sealed class Policy : PooledObjectPolicy<MissOperation>
    {
        public override MissOperation Create() => new();

        public override bool Return(MissOperation obj)
        {
            obj.Release();
            obj.Foreign.Clear();
            obj.Pieces.Clear();
            obj.Rooms.Clear();
            return true;
        }
    }
}
