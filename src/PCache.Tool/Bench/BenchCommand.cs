// Keeps true: the measured numbers are printed as they are, nothing is judged; the exit code says only whether the
// measurement could be made.
using System.CommandLine;

namespace PCache.Tool.Bench;

/// <summary><c>pcache bench</c>: measures the device on this machine.</summary>
internal static class BenchCommand
{
    public static Command Build(ToolContext context)
    {
        Option<string> cache = BenchOptions.Cache();
        var backing = new Option<string?>("--backing")
        {
            Description =
                "The path of a file that doesn't exist yet, on the disk to measure: the backing, to which write-back "
                + "runs; removed afterwards. A backing that costs nothing if not given.",
            HelpName = "FILE",
        };
        Option<string?> persistence = BenchOptions.Persistence();
        Option<string> operations = BenchOptions.Operations();
        Option<string> blocks = BenchOptions.Blocks();
        Option<int?> threads = BenchOptions.Threads();
        Option<long?> size = BenchOptions.Size();
        Option<int?> seconds = BenchOptions.Seconds();
        Option<bool> dataCrc = BenchOptions.DataCrc();
        var firstPass = new Option<bool>("--first-pass")
        {
            Description =
                "Each block once, in a cache just made of which nothing was touched before: what the first use costs.",
        };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "bench",
            "Measures the device on this machine. The cache has room for what is written and holds what is read (but "
            + "for randmiss and partialhit): nothing waits.",
            "pcache bench",
            "pcache bench --cache /mnt/ssd/bench-cache.img --backing /mnt/disk/bench-backing.img --data-crc",
            "pcache bench --cache /mnt/pmem/bench.img --persistence dax --threads 2 --seconds 10 --json",
            "pcache bench --cache /mnt/ssd/bench.img --rw randwrite --first-pass");
        Option[] options = [cache, backing, persistence, operations, blocks, threads, size, seconds, dataCrc, firstPass,
            json];
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            string? backingPath = parse.GetValue(backing);
            var settings = new BenchSettings
            {
                CachePath = BenchOptions.ReadCache(parse.GetRequiredValue(cache)),
                BackingPath = backingPath,
                Persistence = BenchOptions.ReadPersistence(parse.GetValue(persistence)),
                LengthBytes = parse.GetValue(size) ?? BenchSettings.DefaultLengthBytes,
                Threads = parse.GetValue(threads) ?? 1,
                Duration = TimeSpan.FromSeconds(parse.GetValue(seconds) ?? 2),
                DataCrc = parse.GetValue(dataCrc),
                WritebackRunning = backingPath is not null,
            };
            IReadOnlyList<BenchPattern> patterns = BenchOptions.ReadPatterns(parse.GetRequiredValue(operations),
                parse.GetRequiredValue(blocks), settings.LengthBytes);
            if (parse.GetValue(firstPass))
            {
                patterns = [.. patterns.Select(pattern => FirstPass.Of(pattern, settings))];
            }

            bool asJson = parse.GetValue(json);

            // On a thread of its own: a signal then cancels it, so that it removes its files.
            return Task.Run(() => Run(context, settings, patterns, asJson, cancellation), CancellationToken.None);
        });
        return command;
    }

    /// <summary>Measures and prints.</summary>
    internal static int Run(ToolContext context, BenchSettings settings, IReadOnlyList<BenchPattern> patterns,
        bool json, CancellationToken cancellation)
    {
        var results = new List<BenchResult>();
        foreach (BenchPattern pattern in patterns)
        {
            // Each line has places of its own, so that one's memory is free before the next.
            using (var places = new BenchPlaces(settings))
            {
                results.Add(pattern.Once ? FirstPass.Run(places, settings, pattern, cancellation)
                    : Measure(places, settings, pattern, cancellation));
            }

            if (!json && results.Count == 1)
            {
                context.WriteLine(BenchOutput.Header);
            }

            if (!json)
            {
                context.WriteLine(BenchOutput.Line(results[^1]));
            }
        }

        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer => BenchOutput.Write(writer, results));
        }

        return ExitCode.Done;
    }

    private static BenchResult Measure(BenchPlaces places, BenchSettings settings, BenchPattern pattern,
        CancellationToken cancellation)
    {
        var measurement = new BenchMeasurement(settings, pattern, cancellation);
        using var device = new DeviceTarget(places, settings, pattern, measurement.LengthBytes, measurement.RoundBytes);
        return measurement.Run([device]).ResultOf(0, settings, pattern);
    }
}
