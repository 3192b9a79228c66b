using BenchmarkDotNet.Attributes;
using PCache.Core.Indexing;

namespace PCache.Benchmarks.Indexing;

/// <summary>Random 4 KiB pages in 256 stripes (1 GiB): what a write and a read hit pay for the index.</summary>
[MemoryDiagnoser]
public class StripeIndexBenchmarks
{
    private const int StripeCount = 256;
    private const int PagesPerStripe = 1024;
    private const int PageSectors = 8;
    private const int Operations = 1 << 16;

    private readonly int[] _pages = new int[Operations];
    private readonly ExtentBuffer _pieces = new();
    private StripeDirectory _directory = new();
    private StripeIndex[] _small = [];

    /// <summary>Part of the pages that are cached, in percent.</summary>
    [Params(10, 100)]
    public int FilledPercent { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        Random random = new(1);
        int[] all = [.. Enumerable.Range(0, StripeCount * PagesPerStripe)];
        random.Shuffle(all);
        int filled = all.Length / 100 * FilledPercent;
        _directory = new StripeDirectory();
        for (int i = 0; i < filled; i++)
        {
            Insert(all[i]);
        }

        for (int i = 0; i < Operations; i++)
        {
            _pages[i] = all[random.Next(filled)];
        }

        _small = new StripeIndex[Operations / PagesPerStripe];
    }

    /// <summary>A page that is cached is written again.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void Overwrite()
    {
        foreach (int page in _pages)
        {
            Insert(page);
        }
    }

    /// <summary>Pages come into empty stripes at random.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public void Fill()
    {
        for (int i = 0; i < _small.Length; i++)
        {
            StripeIndex index = _small[i] = new StripeIndex();
            for (int j = 0; j < PagesPerStripe; j++)
            {
                index.Insert(ExtentOf(_pages[(i * PagesPerStripe) + j] % PagesPerStripe));
            }
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
            hits += _directory.Find(page / PagesPerStripe)!.TryGetSingle(start, start + PageSectors, out _) ? 1 : 0;
        }

        return hits;
    }

    /// <summary>Eight pages, in pieces.</summary>
    [Benchmark(OperationsPerInvoke = Operations)]
    public int LookupPieces()
    {
        int pieces = 0;
        foreach (int page in _pages)
        {
            int start = Math.Min(page % PagesPerStripe, PagesPerStripe - 8) * PageSectors;
            _pieces.Clear();
            pieces += _directory.Find(page / PagesPerStripe)!.Lookup(start, start + (8 * PageSectors), _pieces);
        }

        return pieces;
    }

    private static Extent ExtentOf(int pageInStripe) => new()
    {
        Start = (ushort)(pageInStripe * PageSectors),
        Length = PageSectors,
        KeyStart = (ushort)(pageInStripe * PageSectors),
        KeyLength = PageSectors,
        Generation = 1,
    };

    private void Insert(int page) => _directory.GetOrAdd(page / PagesPerStripe).Insert(ExtentOf(page % PagesPerStripe));
}
