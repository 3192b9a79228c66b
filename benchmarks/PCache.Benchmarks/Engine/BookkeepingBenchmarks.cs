using BenchmarkDotNet.Attributes;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Benchmarks.Engine;

/// <summary>
/// What an operation pays besides copy and index: gate, latch, counters; and the whole of it, for one page that stays
/// in the processor's caches.
/// </summary>
public class BookkeepingBenchmarks
{
    private readonly OperationGate _gate = new();
    private readonly Latch _latch = new();
    private readonly Lock _lock = new();
    private readonly CounterSet _counter = new();
    private readonly byte[] _page = new byte[4096];
    private readonly BlockWrite[] _writes = new BlockWrite[32];
    private readonly BlockRead[] _reads = new BlockRead[32];
    private PmemRegion _region = null!;
    private PCacheDevice _device = null!;

    [GlobalSetup]
    public void Setup()
    {
        _region = PmemMemory.Allocate(1L << 30);
        _device = PCacheDevice.Create(_region, BlockDevice.FromMemory(64 << 20),
            new PCacheOptions { WritebackDelay = TimeSpan.Zero });
        _device.Write(0, new byte[1 << 20]);
        for (int i = 0; i < 32; i++)
        {
            _writes[i] = new BlockWrite(i * 4096, _page);
            _reads[i] = new BlockRead(i * 4096, _page);
        }
    }

    [GlobalCleanup]
    public void Cleanup() => _device.Dispose();

    [Benchmark]
    public void Gate() => _gate.Exit(_gate.Enter());

    [Benchmark]
    public void LatchHeldOnce()
    {
        _latch.Enter();
        _latch.Exit();
    }

    [Benchmark]
    public void LockHeldOnce()
    {
        lock (_lock)
        {
        }
    }

    [Benchmark]
    public void Counter() => _counter.Add(ThreadIndex.Current, 0, 1);

    [Benchmark]
    public int ReadHit() => _device.Read(4096, _page);

    /// <summary>Write-back and GC run beside it, and take from it what they take.</summary>
    [Benchmark]
    public void Write() => _device.Write(4096, _page);

    [Benchmark]
    public void WriteAndFlush()
    {
        _device.Write(4096, _page);
        _device.Flush();
    }

    [Benchmark(OperationsPerInvoke = 32)]
    public void WriteBatch() => _device.WriteBatch(_writes);

    [Benchmark(OperationsPerInvoke = 32)]
    public long ReadBatch() => _device.ReadBatch(_reads);
}
