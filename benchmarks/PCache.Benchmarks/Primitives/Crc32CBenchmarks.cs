using BenchmarkDotNet.Attributes;
using PCache.Core.Primitives;

namespace PCache.Benchmarks.Primitives;

/// <summary>The checksum of payloads (4 KiB and up) and of log structures (a key, a kset).</summary>
public class Crc32CBenchmarks
{
    private byte[] _data = [];

    [Params(40, 512, 4096, 65536)]
    public int LengthBytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _data = new byte[LengthBytes];
        new Random(1).NextBytes(_data);
    }

    [Benchmark]
    public uint Hash() => Crc32C.HashToUInt32(_data);
}
