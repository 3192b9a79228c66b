using BenchmarkDotNet.Attributes;
using PCache.Core.Writeback;

namespace PCache.Benchmarks.Writeback;

/// <summary>Planning one write-back group: sorting, overlaying and merging its keys, for each key.</summary>
public class PlanBenchmarks
{
    private const int Keys = 4096;
    private readonly WritebackPlan _plan = new();
    private readonly long[] _offsets = new long[Keys];

    [GlobalSetup]
    public void Setup()
    {
        var random = new Random(1);
        for (int i = 0; i < Keys; i++)
        {
            _offsets[i] = random.NextInt64(1 << 18) * 4096;
        }
    }

    [Benchmark(OperationsPerInvoke = Keys)]
    public int Build()
    {
        _plan.Clear();
        for (int i = 0; i < Keys; i++)
        {
            _plan.Add(_offsets[i], 4096, i * 4096L);
        }

        _plan.Build(512, 1L << 40, 1 << 20);
        return _plan.Runs.Length;
    }
}
