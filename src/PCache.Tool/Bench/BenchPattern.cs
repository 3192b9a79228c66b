// Keeps true: what an operation is, is said here once; targets look at Kind, and the bound does the least that any
// cache would have to do for it.
using System.Globalization;

namespace PCache.Tool.Bench;

/// <summary>What one call does.</summary>
internal enum BenchKind
{
    /// <summary>A write of one block.</summary>
    Write,

    /// <summary>A read of one block that is cached.</summary>
    Read,

    /// <summary>A write that is durable when it returns.</summary>
    WriteFua,

    /// <summary>A write that survives the death of the process when it returns.</summary>
    WritePersist,

    /// <summary>A write and a flush.</summary>
    WriteFlush,

    /// <summary>A read of two blocks, of which the first is cached; the other stays uncached.</summary>
    PartialHit,

    /// <summary>A read of a block that isn't cached and then is.</summary>
    ReadMiss,

    /// <summary>An append of 4 to 100 bytes through an unbuffered stream.</summary>
    SmallWrite,

    /// <summary>The same through a stream with a buffer of 4096 bytes.</summary>
    SmallWriteBuffered,

    /// <summary>Writes of 32 blocks in one call.</summary>
    BatchWrite,

    /// <summary>Reads of 32 blocks in one call.</summary>
    BatchRead,
}

/// <summary>In which order blocks are visited.</summary>
internal enum BenchOrder
{
    /// <summary>One after the other.</summary>
    Sequential,

    /// <summary>Anywhere, also twice.</summary>
    Random,

    /// <summary>Anywhere, each block once.</summary>
    Permutation,
}

/// <summary>One kind of access.</summary>
/// <param name="Operation">Name for <c>--rw</c>.</param>
/// <param name="BlockBytes">Bytes per block.</param>
internal sealed record BenchPattern(string Operation, int BlockBytes)
{
    public const int BatchBlocks = 32;
    public const int SmallestAppend = 4;
    public const int LargestAppend = 100;

    private static readonly Dictionary<string, (BenchKind Kind, BenchOrder Order)> Known = new()
    {
        ["randwrite"] = (BenchKind.Write, BenchOrder.Random),
        ["randread"] = (BenchKind.Read, BenchOrder.Random),
        ["write"] = (BenchKind.Write, BenchOrder.Sequential),
        ["read"] = (BenchKind.Read, BenchOrder.Sequential),
        ["randpersist"] = (BenchKind.WritePersist, BenchOrder.Random),
        ["randfua"] = (BenchKind.WriteFua, BenchOrder.Random),
        ["flush"] = (BenchKind.WriteFlush, BenchOrder.Random),
        ["partialhit"] = (BenchKind.PartialHit, BenchOrder.Random),
        ["randmiss"] = (BenchKind.ReadMiss, BenchOrder.Permutation),
        ["smallwrite"] = (BenchKind.SmallWrite, BenchOrder.Sequential),
        ["smallwrite-buffered"] = (BenchKind.SmallWriteBuffered, BenchOrder.Sequential),
        ["batchwrite"] = (BenchKind.BatchWrite, BenchOrder.Random),
        ["batchread"] = (BenchKind.BatchRead, BenchOrder.Random),
    };

    /// <summary>Operations that there are.</summary>
    public static IReadOnlyList<string> Operations { get; } = [.. Known.Keys];

    public BenchKind Kind => Known[Operation].Kind;

    public BenchOrder Order =>
        Once && Known[Operation].Order == BenchOrder.Random ? BenchOrder.Permutation : Known[Operation].Order;

    /// <summary>Whether each block is visited once only: a first pass.</summary>
    public bool Once { get; init; }

    /// <summary>Whether the operation can be measured as a first pass: one block a call.</summary>
    public bool CanBeOnce => Kind is BenchKind.Write or BenchKind.WriteFua or BenchKind.WritePersist
        or BenchKind.WriteFlush or BenchKind.Read or BenchKind.ReadMiss;

    public bool IsSmall => Kind is BenchKind.SmallWrite or BenchKind.SmallWriteBuffered;

    /// <summary>Whether an operation takes room in the cache, so that each round needs a fresh one.</summary>
    public bool TakesRoom => Kind is not (BenchKind.Read or BenchKind.BatchRead or BenchKind.PartialHit);

    /// <summary>Blocks of one call; each counts as an operation.</summary>
    public int BlocksPerCall => Kind is BenchKind.BatchWrite or BenchKind.BatchRead ? BatchBlocks : 1;

    /// <summary>Distance of the offsets that are visited.</summary>
    public int UnitBytes => IsSmall ? 512 : Kind == BenchKind.PartialHit ? 2 * BlockBytes : BlockBytes;

    /// <summary>Bytes that one call transfers at most.</summary>
    public int CallBytes =>
        IsSmall ? LargestAppend : Kind == BenchKind.PartialHit ? 2 * BlockBytes : BlockBytes * BlocksPerCall;

    /// <summary>
    /// Room that one operation takes in the cache at most; an append may touch two units of 512 bytes.
    /// </summary>
    public long RoomPerOperation => !TakesRoom ? 0 : IsSmall ? 1024 : BlockBytes;

    /// <summary>Name in the results: "randwrite-4k".</summary>
    public string Name => Operation + "-" + (Once ? "first-" : string.Empty)
        + (IsSmall ? "4to100" : SizeText.Exact(BlockBytes).ToLower(CultureInfo.InvariantCulture));
}

/// <summary>The offsets that one thread visits; the same for every target of a round.</summary>
internal struct BenchOffsets(BenchPattern pattern, long lengthBytes, int thread, int threads, int round)
{
    private readonly BenchOrder _order = pattern.Order;
    private readonly int _unitBytes = pattern.UnitBytes;
    private readonly uint _units = (uint)(lengthBytes / pattern.UnitBytes);
    private readonly uint _stride = Stride((uint)(lengthBytes / pattern.UnitBytes), round);
    private ulong _state = (((ulong)(uint)round << 16) + (ulong)thread + 1) * 0x9E3779B97F4A7C15UL;
    private uint _next = (uint)((ulong)(lengthBytes / pattern.UnitBytes) * (ulong)thread / (ulong)threads);

    /// <summary>Where this thread's part of the range begins.</summary>
    public readonly long PartStart => (long)_next * _unitBytes;

    public long Next()
    {
        if (_order == BenchOrder.Random)
        {
            return (long)(((NextState() >> 32) * _units) >> 32) * _unitBytes;
        }

        uint unit = _next++;
        if (_next == _units)
        {
            _next = 0;
        }

        return (_order == BenchOrder.Sequential ? unit : (long)((ulong)unit * _stride % _units)) * _unitBytes;
    }

    /// <summary>The length of the next small append.</summary>
    public int NextAppend() =>
        BenchPattern.SmallestAppend
            + (int)(((NextState() >> 32) * (BenchPattern.LargestAppend - BenchPattern.SmallestAppend + 1)) >> 32);

    private ulong NextState()
    {
        _state ^= _state << 13;
        _state ^= _state >> 7;
        _state ^= _state << 17;
        return _state;
    }

    /// <summary>
    /// A step through all units that visits each once: about the golden section of their number, with no divisor in
    /// common.
    /// </summary>
    private static uint Stride(uint units, int round)
    {
        uint stride = Math.Max(1, (uint)(units * 0.6180339887) + (uint)(round + 64));
        while (Divisor(stride, units) != 1)
        {
            stride++;
        }

        return stride;
    }

    private static uint Divisor(uint a, uint b) => b == 0 ? a : Divisor(b, a % b);
}
