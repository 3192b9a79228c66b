using System.Buffers.Binary;
using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Opening;

/// <summary>
/// A fingerprint of the backing: some blocks of it, read and compared. Keeps true: equal length, time, cache and
/// number of samples choose equal blocks, whatever the backing's block size is now; first and last block are always
/// among them, where there are two samples at least; nothing but the backing is touched, and that is only read. A
/// block that can't be read is no difference.
/// </summary>
/// <remarks>
/// Samples lie one in each of equally long parts of the backing, at a place drawn from a seed that is another one
/// each time: of n blocks, k sampled find a change of any one block with a chance of k/n, and changes of many blocks
/// accordingly. The blocks that were written back last find an older copy of the backing.
/// </remarks>
internal sealed class BackingFingerprint
{
    private const int Groups = 16;

    private readonly IBlockDevice _backing;
    private readonly long _length;
    private readonly int _blockSize;
    private readonly long[] _samples;
    private readonly long[] _recent;
    private readonly uint[] _groupCrcs = new uint[Groups];
    private readonly bool[] _groupUnread = new bool[Groups];
    private readonly uint[] _recentCrcs;
    private readonly bool[] _recentUnread;
    private byte[] _buffer = [];

    private BackingFingerprint(IBlockDevice backing, long length, int blockShift, long[] samples, long[] recent)
    {
        _backing = backing;
        _length = length;
        _blockSize = 1 << blockShift;
        _samples = samples;
        _recent = recent;
        _recentCrcs = new uint[recent.Length];
        _recentUnread = new bool[recent.Length];
    }

    /// <summary>Number of blocks that it is about.</summary>
    public int BlockCount => _samples.Length + _recent.Length;

    /// <summary>How many of them couldn't be read.</summary>
    public int UnreadBlocks { get; private set; }

    /// <summary>The first error of the backing that was met.</summary>
    public Exception? Failure { get; private set; }

    /// <summary>Begins a new one: reads nothing yet.</summary>
    /// <param name="backing">The backing.</param>
    /// <param name="cacheId">The cache.</param>
    /// <param name="samples">Number of samples wanted.</param>
    /// <param name="recentPlaces">Where was written last: offsets in bytes.</param>
    /// <param name="taken">The time.</param>
    /// <param name="record">What is known before anything is read.</param>
    public static BackingFingerprint Begin(
        IBlockDevice backing, Guid cacheId, int samples, IEnumerable<long> recentPlaces, DateTimeOffset taken,
        out FingerprintRecord record)
    {
        int shift = ExtensionBlocks.BlockShiftFor(backing.BlockSize);
        long length = backing.Length;
        long[] recent = [
            .. recentPlaces.Where(place => place < length).Select(place => place >> shift).Distinct().Where(
                number => number < 1L << 48).Take(ExtensionBlocks.MaxRecent)
        ];
        record = new FingerprintRecord
        {
            BlockShift = (byte)shift,
            RecentCount = (byte)recent.Length,
            BackingLength = (ulong)length,
            Taken = (ulong)Math.Max(0, taken.ToUnixTimeMilliseconds()),
            SampleCount = (ushort)samples,
        };
        for (int i = 0; i < recent.Length; i++)
        {
            record.Recent[i] = (ulong)recent[i] << 16;
        }

        return Of(backing, cacheId, in record);
    }

    /// <summary>
    /// The blocks that a record is about. The record is valid, see <see cref="ExtensionBlocks.TryGetFingerprint"/>.
    /// </summary>
    public static BackingFingerprint Of(IBlockDevice backing, Guid cacheId, in FingerprintRecord record)
    {
        long length = (long)record.BackingLength;
        long blocks = CountBlocks(length, record.BlockShift);
        var recent = new long[record.RecentCount];
        for (int i = 0; i < recent.Length; i++)
        {
            recent[i] = (long)(record.Recent[i] >> 16);
        }

        return new BackingFingerprint(backing, length, record.BlockShift, Sample(
            blocks, record.SampleCount, SeedOf(cacheId, record.Taken)), recent);
    }

    /// <summary>Offsets in bytes of the blocks that were written last.</summary>
    public IEnumerable<long> RecentPlaces => _recent.Select(number => number * _blockSize);

    /// <summary>Offsets in bytes of the sampled blocks.</summary>
    public IEnumerable<long> SampledPlaces => _samples.Select(number => number * _blockSize);

    /// <summary>Reads all of its blocks. A block that the backing can't read is passed over.</summary>
    /// <exception cref="OperationCanceledException">Cancelled, between two blocks.</exception>
    public void Read(CancellationToken cancellationToken)
    {
        _groupCrcs.AsSpan().Fill(Crc32C.FormatSeed);
        for (int i = 0; i < _samples.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            int group = i % Groups;
            _groupUnread[group] |= !TryRead(_samples[i], ref _groupCrcs[group]);
        }

        for (int i = 0; i < _recent.Length; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            _recentCrcs[i] = Crc32C.FormatSeed;
            _recentUnread[i] = !TryRead(_recent[i], ref _recentCrcs[i]);
        }
    }

    /// <summary>Puts what was read into a record. All blocks must have been read.</summary>
    public void Store(ref FingerprintRecord record)
    {
        for (int i = 0; i < Groups; i++)
        {
            record.Groups[i] = Fold(_groupCrcs[i]);
        }

        for (int i = 0; i < _recent.Length; i++)
        {
            record.Recent[i] = ((ulong)_recent[i] << 16) | Fold(_recentCrcs[i]);
        }

        record.Crc = Total();
    }

    /// <summary>
    /// The blocks whose content isn't what the record says, in order; of a group of samples all of them. Empty: no
    /// difference.
    /// </summary>
    /// <param name="record">What the blocks held.</param>
    /// <param name="mayDiffer">Blocks that may have changed all the same: no difference, nor is a group of samples
    /// with such a block; null: none.</param>
    public IReadOnlyList<DeviceRange> Differences(
        in FingerprintRecord record, Func<DeviceRange, bool>? mayDiffer = null)
    {
        var numbers = new SortedSet<long>();
        bool[] isExempt = new bool[Groups];
        bool anyExempt = false;
        for (int i = 0; i < _samples.Length && mayDiffer is not null; i++)
        {
            isExempt[i % Groups] |= mayDiffer(RangeOf(_samples[i]));
            anyExempt |= isExempt[i % Groups];
        }

        for (int i = 0; i < _samples.Length; i++)
        {
            if (!_groupUnread[i % Groups] && !isExempt[i % Groups]
                && record.Groups[i % Groups] != Fold(_groupCrcs[i % Groups]))
            {
                numbers.Add(_samples[i]);
            }
        }

        for (int i = 0; i < _recent.Length; i++)
        {
            if (mayDiffer is not null && mayDiffer(RangeOf(_recent[i])))
            {
                anyExempt = true;
                continue;
            }

            if (!_recentUnread[i] && (ushort)record.Recent[i] != Fold(_recentCrcs[i]))
            {
                numbers.Add(_recent[i]);
            }
        }

        if (numbers.Count == 0 && !anyExempt && UnreadBlocks == 0 && record.Crc != Total())
        {
            // One change in 65,536 leaves the short checksums as they were; which block it is isn't known then.
            numbers.UnionWith(_samples);
            numbers.UnionWith(_recent);
        }

        return [.. numbers.Select(RangeOf)];
    }

    /// <summary>
    /// First and last block, and one of each of equal parts in between; all blocks where there are no more.
    /// </summary>
    internal static long[] Sample(long blocks, int count, ulong seed)
    {
        if (blocks <= count)
        {
            return [.. Enumerable.Range(0, (int)blocks).Select(i => (long)i)];
        }

        var samples = new long[count];
        if (count == 1)
        {
            samples[0] = (long)((UInt128)Next(ref seed) * (ulong)blocks >> 64);
            return samples;
        }

        samples[^1] = blocks - 1;
        long inner = blocks - 2;
        for (int i = 1; i < count - 1; i++)
        {
            long from = (long)((UInt128)(ulong)inner * (ulong)(i - 1) / (ulong)(count - 2));
            long to = (long)((UInt128)(ulong)inner * (ulong)i / (ulong)(count - 2));
            samples[i] = 1 + from + (long)((UInt128)Next(ref seed) * (ulong)(to - from) >> 64);
        }

        return samples;
    }

    private static long CountBlocks(long length, int shift) =>
        (length >> shift) + ((length & ((1L << shift) - 1)) != 0 ? 1 : 0);

    private static ulong SeedOf(Guid cacheId, ulong taken)
    {
        Span<byte> bytes = stackalloc byte[16];
        cacheId.TryWriteBytes(bytes, bigEndian: true, out _);
        ulong seed = BinaryPrimitives.ReadUInt64BigEndian(bytes) ^ taken;
        return Next(ref seed) ^ BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
    }

    /// <summary>The SplitMix64 generator.</summary>
    private static ulong Next(ref ulong state)
    {
        state += 0x9E3779B97F4A7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private static ushort Fold(uint crc) => (ushort)(crc ^ (crc >> 16));

    private uint Total() => Crc32C.Append(
        Crc32C.HashToUInt32(MemoryMarshal.AsBytes(_groupCrcs.AsSpan())), MemoryMarshal.AsBytes(_recentCrcs.AsSpan()));

    private DeviceRange RangeOf(long number)
    {
        long offset = number * _blockSize;
        return new DeviceRange(offset, Math.Min(_blockSize, _length - offset));
    }

    /// <summary>Reads whole blocks of the backing around a block, and continues a checksum over the block.</summary>
    private bool TryRead(long number, ref uint crc)
    {
        long offset = number * _blockSize;
        int wanted = (int)Math.Min(_blockSize, _length - offset);
        int size = Math.Max(_blockSize, _backing.BlockSize);
        long start = offset & -(long)size;
        if (_buffer.Length != size)
        {
            _buffer = GC.AllocateUninitializedArray<byte>(size);
        }

        try
        {
            int have = _backing.Read(start, _buffer);
            int skip = (int)(offset - start);
            if (have < skip + wanted)
            {
                throw new IOException(
                    $"The backing has {_length} bytes, but of {size} bytes at {start} it returned only {have}.");
            }

            crc = Crc32C.Append(crc, _buffer.AsSpan(skip, wanted));
            return true;
        }
        catch (Exception e)
        {
            Failure ??= e;
            UnreadBlocks++;
            return false;
        }
    }
}
