using BenchmarkDotNet.Attributes;
using PCache.Core.Indexing;

namespace PCache.Benchmarks.Indexing;

/// <summary>
/// Random 4 KiB pages in 256 stripes (1 GiB): what a write and a read hit pay for the index, shards and directory
/// included; time per page.
/// </summary>
[MemoryDiagnoser]
public class StripeIndexBenchmarks : IDisposable
{
    private const int StripeCount = 256;
    private const int PagesPerStripe = 1024;
    private const int PageSectors = 8;
    private const int Operations = 1 << 16;
    private const int Ahead = 8;

    private readonly int[] _pages = new int[Operations];
    private readonly ExtentBuffer _pieces = new();
    private readonly ShardedIndex _small = new(2);
    private ShardedIndex _index = new(2);
    private int _filled;

    /// <summary>Part of the pages that are cached, in percent.</summary>
    [Params(10, 100)]
    public int FilledPercent { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        int[] all = [.. Enumerable.Range(0, StripeCount * PagesPerStripe)];
        random.Shuffle(all);
        _filled = all.Length / 100 * FilledPercent;
        _index.Dispose();
        _index = new ShardedIndex(2);
        for (int i = 0; i < _filled; i++)
        {
            Insert(_index, all[i]);
        }

        for (int i = 0; i < Operations; i++)
        {
            _pages[i] = all[random.Next(_filled)];
        }
    }

    /// <summary>Says what a page costs in bytes, managed and native.</summary>
    [GlobalCleanup]
    public void Cleanup() => Console.WriteLine(
        $"// {_filled} pages: {(double)_index.MemoryBytes / _filled:f1} bytes a page, "
        + $"{(double)_index.UsedBytes / _filled:f1} of them in use");

    /// <summary>Frees the indexes.</summary>
    public void Dispose()
    {
        _index.Dispose();
        _small.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>A page that is cached is written again.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void Overwrite()
    {
        foreach (int page in _pages)
        {
            Insert(_index, page);
        }
    }

    /// <summary>Pages come into empty stripes at random, and all go again.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void FillAndClear()
    {
        foreach (int page in _pages)
        {
            Insert(_small, page);
        }

        foreach (IndexShard shard in _small.Shards)
        {
            shard.Stripes.RemoveFrom(0);
        }
    }

    /// <summary>A page goes and comes back.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void RemoveAndInsert()
    {
        foreach (int page in _pages)
        {
            int start = page % PagesPerStripe * PageSectors;
            StripeOf(page).Remove(start, start + PageSectors);
            Insert(_index, page);
        }
    }

    /// <summary>One page, as a read hit looks it up.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int LookupSingle()
    {
        int hits = 0;
        foreach (int page in _pages)
        {
            int start = page % PagesPerStripe * PageSectors;
            hits += StripeOf(page).TryGetSingle(start, start + PageSectors, out _) ? 1 : 0;
        }

        return hits;
    }

    /// <summary>The same with a hint some pages ahead.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int LookupSinglePrefetched()
    {
        int hits = 0;
        for (int i = 0; i < _pages.Length; i++)
        {
            int ahead = _pages[Math.Min(i + Ahead, _pages.Length - 1)];
            _index.Prefetch(ahead / PagesPerStripe, ahead % PagesPerStripe * PageSectors);
            int start = _pages[i] % PagesPerStripe * PageSectors;
            hits += StripeOf(_pages[i]).TryGetSingle(start, start + PageSectors, out _) ? 1 : 0;
        }

        return hits;
    }

    /// <summary>The hint alone.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void Prefetch()
    {
        foreach (int page in _pages)
        {
            _index.Prefetch(page / PagesPerStripe, page % PagesPerStripe * PageSectors);
        }
    }

    /// <summary>Eight pages, in pieces; time per eight.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int LookupPieces()
    {
        int pieces = 0;
        foreach (int page in _pages)
        {
            int start = Math.Min(page % PagesPerStripe, PagesPerStripe - 8) * PageSectors;
            _pieces.Clear();
            pieces += StripeOf(page).Lookup(start, start + (8 * PageSectors), _pieces);
        }

        return pieces;
    }

    /// <summary>One extent of 1 MiB goes in and is looked up; time per page.</summary>
    [Benchmark(OperationsPerInvoke = 256 * 256)]
    public int InsertAndLookupMebibytes()
    {
        StripeIndex index = _small.For(0).Stripes.GetOrAdd(0);
        int pieces = 0;
        for (int i = 0; i < 256; i++)
        {
            ushort start = (ushort)(i % 4 * 2048);
            index.Insert(new Extent
            {
                Start = start,
                Length = 2048,
                KeyStart = start,
                KeyLength = 2048,
                PayloadCrc = (uint)i
            });
            _pieces.Clear();
            pieces += index.Lookup(start, start + 2048, _pieces);
        }

        return pieces;
    }

    /// <summary>
    /// A sweep that finds nothing dead: time per cached page is this by the filled part of 262144 pages.
    /// </summary>
    [Benchmark(OperationsPerInvoke = StripeCount * PagesPerStripe)]
    public void Sweep()
    {
        var dead = new OtherGeneration(1);
        foreach (IndexShard shard in _index.Shards)
        {
            for (long cursor = 0; shard.Stripes.NextStripe(ref cursor, out _, out StripeIndex index);)
            {
                index.RemoveWhere(0, StripeIndex.SectorCount, ref dead);
            }
        }
    }

    private static Extent ExtentOf(int pageInStripe) => new()
    {
        Start = (ushort)(pageInStripe * PageSectors),
        Length = PageSectors,
        KeyStart = (ushort)(pageInStripe * PageSectors),
        KeyLength = PageSectors,
        Generation = 1,
    };

    private static void Insert(ShardedIndex index, int page) =>
        index.For(page / PagesPerStripe).Stripes.GetOrAdd(page / PagesPerStripe)
            .Insert(ExtentOf(page % PagesPerStripe));

    private StripeIndex StripeOf(int page)
    {
        _index.For(page / PagesPerStripe).Stripes.TryFind(page / PagesPerStripe, out StripeIndex index);
        return index;
    }

    private readonly struct OtherGeneration(ulong generation) : IExtentFilter
    {
        public bool Matches(in Extent extent) => !extent.IsPlaceholder && extent.Generation != generation;
    }
}
