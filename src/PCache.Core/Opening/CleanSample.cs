using PCache.Core.Indexing;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Opening;

/// <summary>
/// What the cache holds as clean, compared with the backing: a bounded sample of it, what was written back last
/// first. Keeps true: only what the index still shows is compared, so nothing that a later write (or a group of
/// write-back that was under way) may have changed; nothing of a range that the backing was told to discard; no
/// payload that doesn't fit its checksum, where it has one; what the backing can't read is no difference. Nothing is
/// changed.
/// </summary>
internal sealed class CleanSample(
    PmemRegion region, MediaState media, ShardedIndex index, IBlockDevice backing, BackingRecord record)
{
    /// <summary>Most reads of the backing.</summary>
    public const int MaxReads = 64;

    private const int SectorSize = MediaConstants.SectorSize;
    private const int SampleBytes = 4096;

    private readonly ExtentBuffer _pieces = new();
    private readonly HashSet<long> _seen = [];
    private readonly List<DeviceRange> _different = [];
    private byte[] _buffer = [];

    /// <summary>Ranges compared.</summary>
    public int Compared { get; private set; }

    /// <summary>Ranges that the backing holds something else in, in the order in which they were compared.</summary>
    public IReadOnlyList<DeviceRange> Different => _different;

    /// <summary>
    /// Whether a range's content may be another than it once was: the cache has newer data, or the backing was told
    /// to discard it.
    /// </summary>
    public bool MayDiffer(DeviceRange range)
    {
        if (record.IsDiscarded(range.Offset, range.End))
        {
            return true;
        }

        for (long at = range.Offset; at < range.End;)
        {
            long stripe = at >> ShardedIndex.StripeShift;
            long stripeStart = stripe << ShardedIndex.StripeShift;
            long end = Math.Min(range.End, stripeStart + MediaConstants.StripeSize);
            if (index.For(stripe).Stripes.Find(stripe) is { } found)
            {
                _pieces.Clear();
                found.Lookup(
                    (int)((at - stripeStart) / SectorSize), (int)((end - stripeStart + SectorSize - 1) / SectorSize),
                    _pieces);
                foreach (ref readonly Extent piece in _pieces.AsSpan())
                {
                    if (!piece.IsGap && !piece.IsClean)
                    {
                        return true;
                    }
                }
            }

            at = end;
        }

        return false;
    }

    /// <summary>Compares what is left of some keys, until as many reads were made as are allowed.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Compare(IEnumerable<CacheKey> keys, int reads, CancellationToken cancellationToken)
    {
        foreach (CacheKey key in keys)
        {
            if (reads == 0)
            {
                return;
            }

            cancellationToken.ThrowIfCancellationRequested();
            if (TryChoose(in key, out DeviceRange range, out long address))
            {
                reads--;
                Compare(range, address);
            }
        }
    }

    /// <summary>Chooses up to 4 KiB of a key that the index shows as this key's, clean.</summary>
    private bool TryChoose(in CacheKey key, out DeviceRange range, out long address)
    {
        (range, address) = (default, 0);
        long keyAddress = media.DeviceOffset(new LogPosition((int)key.Segment, (int)key.SegmentOffset));
        long stripe = (long)key.Offset >> ShardedIndex.StripeShift;
        if (index.For(stripe).Stripes.Find(stripe) is not { } found
            || (media.Flags.PayloadCrc
                && Crc32C.HashToUInt32(region.ReadSpan(keyAddress, (int)key.Length)) != key.PayloadCrc))
        {
            return false;
        }

        int start = (int)((long)key.Offset & (MediaConstants.StripeSize - 1)) / SectorSize;
        _pieces.Clear();
        found.Lookup(start, start + ((int)key.Length / SectorSize), _pieces);
        foreach (ref readonly Extent piece in _pieces.AsSpan())
        {
            if (piece.IsGap || piece.IsPlaceholder || !piece.IsClean || piece.Segment != key.Segment
                || piece.PayloadSector != (key.SegmentOffset / SectorSize) + (piece.Start - start))
            {
                continue;
            }

            long offset = (stripe << ShardedIndex.StripeShift) + ((long)piece.Start * SectorSize);
            long lengthBytes = Math.Min(
                Math.Min(SampleBytes, (long)piece.Length * SectorSize), backing.Length - offset);
            if (lengthBytes > 0 && !record.IsDiscarded(offset, offset + lengthBytes) && _seen.Add(offset / SampleBytes))
            {
                range = new DeviceRange(offset, lengthBytes);
                address = keyAddress + ((long)(piece.Start - start) * SectorSize);
                return true;
            }
        }

        return false;
    }

    private void Compare(DeviceRange range, long address)
    {
        int block = Math.Max(1, backing.BlockSize);
        long start = range.Offset & -(long)block;
        int wanted = (int)(((range.End + block - 1) & -(long)block) - start);
        if (_buffer.Length < wanted)
        {
            _buffer = GC.AllocateUninitializedArray<byte>(wanted);
        }

        try
        {
            int have = backing.Read(start, _buffer.AsSpan(0, (int)Math.Min(wanted, backing.Length - start)));
            int skip = (int)(range.Offset - start);
            if (have < skip + (int)range.LengthBytes)
            {
                return;
            }

            Compared++;
            if (!_buffer.AsSpan(skip, (int)range.LengthBytes).SequenceEqual(
                region.ReadSpan(address, (int)range.LengthBytes)))
            {
                _different.Add(range);
            }
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // What the backing can't read now is no difference; reads will say so.
        }
    }
}
