using BenchmarkDotNet.Attributes;
using PCache.Core.Pmem;

namespace PCache.Benchmarks.Pmem;

/// <summary>
/// Payload into the region (with its fence) and out of it, at random places of 256 MiB: what a write and a read hit
/// can't do without.
/// </summary>
public class CopyBenchmarks
{
    private const long RegionBytes = 256 << 20;
    private PmemRegion _region = null!;
    private byte[] _buffer = [];
    private ulong _state = 88172645463325252;

    [Params(512, 4096, 65536)]
    public int LengthBytes { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _region = PmemMemory.Allocate(RegionBytes);
        _buffer = new byte[LengthBytes];
        new Random(1).NextBytes(_buffer);
        for (long at = 0; at < RegionBytes; at += LengthBytes)
        {
            _region.Write(at, _buffer);
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _region.Dispose();

    [Benchmark(Baseline = true)]
    public void StoreAndFence()
    {
        _region.Write(Next(), _buffer);
        _region.Drain();
    }

    [Benchmark]
    public uint StoreWithChecksumAndFence()
    {
        uint crc = _region.WriteWithCrc(Next(), _buffer, 0);
        _region.Drain();
        return crc;
    }

    [Benchmark]
    public void CopyOut() => _region.CopyOut(Next(), _buffer);

    [Benchmark]
    public void PlainCopyOut() => _region.ReadSpan(Next(), LengthBytes).CopyTo(_buffer);

    private long Next()
    {
        _state ^= _state << 13;
        _state ^= _state >> 7;
        _state ^= _state << 17;
        return (long)((_state >> 16) % (ulong)(RegionBytes / LengthBytes)) * LengthBytes;
    }
}
