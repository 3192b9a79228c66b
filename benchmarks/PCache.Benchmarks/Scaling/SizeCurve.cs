using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using PCache.Core;
using PCache.Core.Indexing;
using PCache.Core.Pmem;

namespace PCache.Benchmarks.Scaling;

/// <summary>
/// What docs/scaling.md has measured: time of 4 KiB random writes and reads by that of the bound (one copy, and one
/// fence for a write) over the size of what is cached; bytes of the index for each page; the pause of a directory that
/// doubles. Keeps true: device and bound take turns in one process, with the same places in each round; times are CPU
/// time of the measuring thread; every page of both regions is there before anything is measured; a ratio is the median
/// of the rounds' ratios.
/// </summary>
internal static class SizeCurve
{
    private const int PageBytes = 4096;
    private const int StripePages = (4 << 20) / PageBytes;
    private const int Rounds = 11;
    private const int CallsPerRound = 40_000;

    private const int ThreadCpuTime = 3;

    // Not measured: the runtime compiles anew what has been called often.
    private const int WarmUpRounds = 8;

    /// <summary>Runs one of the tables. Arguments: "curve" and sizes in MiB, "index", or "directory".</summary>
    public static void Run(ReadOnlySpan<string> arguments)
    {
        switch (arguments[0])
        {
            case "curve":
                Console.WriteLine("   MiB   write/bound  ns (bound)    read/bound  ns (bound)");
                foreach (string size in arguments[1..])
                {
                    Measure(long.Parse(size, CultureInfo.InvariantCulture));
                }

                break;
            case "index":
                Index();
                break;
            default:
                Directory();
                break;
        }
    }

    private static void Measure(long sizeMiB)
    {
        long size = sizeMiB << 20;
        int pages = (int)(size / PageBytes);
        long written = (Rounds + WarmUpRounds) * (long)CallsPerRound * PageBytes;

        // Keys take a hundredth, and the log's reserve, open heads and rounding some segments.
        using PmemRegion region = Create(((size + written) * 102 / 100) + (256L << 20));
        using PmemRegion plain = Create(size);
        var options = new PCacheOptions { StartWritebackPaused = true, LeaveRegionOpen = true };
        using PCacheDevice device = PCacheDevice.Create(region, BlockDevice.FromMemory(size, canResize: false),
            options);
        var random = new Random(1);
        byte[] block = new byte[PageBytes];
        random.NextBytes(block);
        int[] all = [.. Enumerable.Range(0, pages)];
        random.Shuffle(all);
        foreach (int page in all)
        {
            device.Write(page * (long)PageBytes, block);
        }

        device.Flush();
        long[] places = new long[CallsPerRound];
        var write = new List<(double Ours, double Bound)>();
        var read = new List<(double Ours, double Bound)>();
        for (int round = 0; round < Rounds + WarmUpRounds; round++)
        {
            for (int i = 0; i < places.Length; i++)
            {
                places[i] = random.Next(pages) * (long)PageBytes;
            }

            bool first = round % 2 == 0;
            double boundWrite = first ? Time(plain, places, block, BoundWrite) : 0;
            double ourWrite = Time(device, places, block, static (target, place, data) => target.Write(place, data));
            boundWrite = first ? boundWrite : Time(plain, places, block, BoundWrite);
            double boundRead = first ? Time(plain, places, block, BoundRead) : 0;
            double ourRead = Time(device, places, block, static (target, place, data) => target.Read(place, data));
            boundRead = first ? boundRead : Time(plain, places, block, BoundRead);
            if (round >= WarmUpRounds)
            {
                write.Add((ourWrite, boundWrite));
                read.Add((ourRead, boundRead));
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{sizeMiB,6}   {Row(write)}   {Row(read)}"));
    }

    private static string Row(List<(double Ours, double Bound)> rounds)
    {
        double[] ratios = [.. rounds.Select(round => round.Ours / round.Bound).Order()];
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Median(ratios):0.00} ({ratios[ratios.Length / 4]:0.00}-{ratios[ratios.Length * 3 / 4]:0.00}) "
                + $"{Median(rounds.Select(round => round.Ours)):0} ({Median(rounds.Select(round => round.Bound)):0})");
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    private static void BoundWrite(PmemRegion region, long place, byte[] data)
    {
        region.Write(place, data);
        region.Drain();
    }

    private static void BoundRead(PmemRegion region, long place, byte[] data) =>
        region.ReadSpan(place, data.Length).CopyTo(data);

    private static double Time<T>(T target, long[] places, byte[] data, Action<T, long, byte[]> call)
    {
        double begun = Nanoseconds();
        foreach (long place in places)
        {
            call(target, place, data);
        }

        return (Nanoseconds() - begun) / places.Length;
    }

    /// <summary>
    /// CPU time of this thread where the system tells it: other processes on the machine don't count.
    /// </summary>
    private static double Nanoseconds() =>
        OperatingSystem.IsLinux() && ClockGetTime(ThreadCpuTime, out TimeSpec time) == 0
            ? (time.Seconds * 1e9) + time.Nanoseconds
            : Stopwatch.GetElapsedTime(0).TotalNanoseconds;

    [DllImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int ClockGetTime(int clock, out TimeSpec time);

    private static PmemRegion Create(long lengthBytes)
    {
        string directory = System.IO.Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
        string path = Path.Combine(directory, Path.GetRandomFileName());
        PmemRegion region = PmemFile.Create(path, lengthBytes,
            new PmemFileOptions { Persistence = Persistence.Assumed, Prefault = true });
        File.Delete(path); // it lives as long as it is mapped
        return region;
    }

    /// <summary>Bytes of the index for each page, where each stripe has a number of pages at random places.</summary>
    private static void Index()
    {
        Console.WriteLine("pages in each stripe    stripes      pages   used   with what is kept, bytes for each page");
        foreach ((int each, int stripes) in ((int, int)[])[(1024, 1024), (512, 1024), (256, 1024), (64, 4096),
            (16, 16_384), (4, 65_536), (1, 262_144)])
        {
            using ShardedIndex index = new(64);
            var random = new Random(1);
            for (int stripe = 0; stripe < stripes; stripe++)
            {
                foreach (int page in random.GetItems(Enumerable.Range(0, StripePages).ToArray(), each).Distinct()
                    .Concat(Enumerable.Range(0, StripePages)).Distinct().Take(each))
                {
                    index.For(stripe).Stripes.GetOrAdd(stripe).Insert(PageAt(page));
                }
            }

            double pages = (double)each * stripes;
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{each,20} {stripes,10} {pages,10} "
                + $"{index.UsedBytes / pages,6:0.0} {index.MemoryBytes / pages,6:0.0}"));
        }
    }

    /// <summary>
    /// The longest insertions into one directory, each with the number of stripes before it: those that double its
    /// table.
    /// </summary>
    private static void Directory()
    {
        const int Stripes = (1 << 22) + 1;
        using StripeDirectory directory = new();
        var longest = new PriorityQueue<int, double>();
        long begun = Stopwatch.GetTimestamp();
        for (int stripe = 0; stripe < Stripes; stripe++)
        {
            directory.GetOrAdd(stripe * 64L).Insert(PageAt(stripe % StripePages));
            long now = Stopwatch.GetTimestamp();
            longest.Enqueue(stripe, Stopwatch.GetElapsedTime(begun, now).TotalMilliseconds);
            if (longest.Count > 12)
            {
                longest.Dequeue();
            }

            begun = Stopwatch.GetTimestamp();
        }

        foreach ((int stripe, double milliseconds) in longest.UnorderedItems.OrderBy(item => item.Element))
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"stripe {stripe,8}: {milliseconds:0.00} ms"));
        }
    }

    private static Extent PageAt(int page) => new()
    {
        Start = (ushort)(page * 8),
        Length = 8,
        KeyStart = (ushort)(page * 8),
        KeyLength = 8,
        Generation = 1,
    };

    private struct TimeSpec
    {
        public long Seconds;
        public long Nanoseconds;
    }
}
