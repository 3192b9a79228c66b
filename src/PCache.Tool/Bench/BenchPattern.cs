using System.Globalization;

namespace PCache.Tool.Bench;

/// <summary>One kind of access.</summary>
/// <param name="Operation">"randwrite", "randread", "write" or "read".</param>
/// <param name="BlockBytes">Bytes per operation.</param>
internal sealed record BenchPattern(string Operation, int BlockBytes)
{
    /// <summary>Operations that there are.</summary>
    public static IReadOnlyList<string> Operations { get; } = ["randwrite", "randread", "write", "read"];

    public bool IsWrite => Operation.EndsWith("write", StringComparison.Ordinal);

    public bool IsRandom => Operation.StartsWith("rand", StringComparison.Ordinal);

    /// <summary>Name in the results: "randwrite-4k".</summary>
    public string Name => Operation + "-" + SizeText.Exact(BlockBytes).ToLower(CultureInfo.InvariantCulture);
}

/// <summary>The offsets that one thread visits; the same for every target of a round. A struct that the loop keeps in registers.</summary>
internal struct BenchOffsets(BenchPattern pattern, long lengthBytes, int thread, int threads, int round)
{
    private readonly bool _isRandom = pattern.IsRandom;
    private readonly int _blockBytes = pattern.BlockBytes;
    private readonly uint _blocks = (uint)(lengthBytes / pattern.BlockBytes);
    private ulong _state = (((ulong)round << 16) + (ulong)thread + 1) * 0x9E3779B97F4A7C15UL;
    private uint _next = (uint)((ulong)(lengthBytes / pattern.BlockBytes) * (ulong)thread / (ulong)threads);

    public long Next()
    {
        if (_isRandom)
        {
            _state ^= _state << 13;
            _state ^= _state >> 7;
            _state ^= _state << 17;
            return (long)(((_state >> 32) * _blocks) >> 32) * _blockBytes;
        }

        uint block = _next++;
        if (_next == _blocks)
        {
            _next = 0;
        }

        return (long)block * _blockBytes;
    }
}
