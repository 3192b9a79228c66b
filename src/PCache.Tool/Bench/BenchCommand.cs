// Keeps true: the measured numbers are printed as they are, nothing is judged; the exit code says only whether the measurement could be made.
using System.CommandLine;
using System.Globalization;
using System.Text.Json;

namespace PCache.Tool.Bench;

/// <summary><c>pcache bench</c>: measures the device on this machine.</summary>
internal static class BenchCommand
{
    private const string Memory = "memory";
    private const long DefaultSize = 256L << 20;
    private const long LargestBlock = 16L << 20;

    public static Command Build(ToolContext context)
    {
        var cache = new Option<string>("--cache")
        {
            Description = "Where the cache is: memory, or the path of a file that doesn't exist yet, which is removed afterwards.",
            HelpName = "FILE or memory",
            DefaultValueFactory = _ => Memory,
        };
        var operations = new Option<string>("--rw")
        {
            Description = "Operations, comma-separated: " + string.Join(", ", BenchPattern.Operations) + ".",
            HelpName = "LIST",
            DefaultValueFactory = _ => "randwrite,randread",
        };
        var blocks = new Option<string>("--bs")
        {
            Description = "Block sizes, comma-separated: multiples of 512, at most 16M. Take K, M.",
            HelpName = "LIST",
            DefaultValueFactory = _ => "4k",
        };
        Option<int?> threads = CommonOptions.Number("--threads", "Threads, 1 to 64; 1 if not given.", 1, 64);
        Option<long?> size = CommonOptions.Size("--size", "Range that is accessed; 256M if not given.");
        Option<int?> seconds = CommonOptions.Number("--seconds", "Measuring time of each line, 1 to 3600; 2 if not given.", 1, 3600);
        var dataCrc = new Option<bool>("--data-crc") { Description = "Payload checksums on." };
        var compare = new Option<bool>("--compare") { Description = "Run the bound (one copy and one fence) and the peers interleaved, and print ratios." };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "bench",
            "Measures the device on this machine. The cache has room for what is written and holds what is read: neither write-back nor misses are in the figures.",
            "pcache bench",
            "pcache bench --rw randwrite --bs 512,4k,64k --data-crc --compare",
            "pcache bench --cache /mnt/pmem/bench.img --threads 2 --seconds 10 --json");
        Option[] options = [cache, operations, blocks, threads, size, seconds, dataCrc, compare, json];
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            string place = parse.GetRequiredValue(cache);
            long lengthBytes = parse.GetValue(size) ?? DefaultSize;
            List<BenchPattern> patterns = ParsePatterns(parse.GetRequiredValue(operations), parse.GetRequiredValue(blocks), lengthBytes);
            TimeSpan duration = TimeSpan.FromSeconds(parse.GetValue(seconds) ?? 2);

            // On a thread of its own: a signal then cancels it, so that it removes its files.
            return Task.Run(
                () => Run(
                    context,
                    place == Memory ? null : place,
                    patterns,
                    lengthBytes,
                    parse.GetValue(threads) ?? 1,
                    duration,
                    parse.GetValue(dataCrc),
                    parse.GetValue(compare),
                    parse.GetValue(json),
                    cancellation),
                CancellationToken.None);
        });
        return command;
    }

    private static List<BenchPattern> ParsePatterns(string operations, string blocks, long lengthBytes)
    {
        var patterns = new List<BenchPattern>();
        foreach (string operation in operations.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!BenchPattern.Operations.Contains(operation))
            {
                throw ToolException.Usage($"'{operation}' isn't an operation for --rw: give {string.Join(", ", BenchPattern.Operations)}.");
            }

            foreach (string block in blocks.Split(',', StringSplitOptions.TrimEntries))
            {
                if (!SizeText.TryParse(block, out long blockBytes) || blockBytes is < 512 or > LargestBlock || blockBytes % 512 != 0)
                {
                    throw ToolException.Usage($"'{block}' isn't a block size for --bs: give multiples of 512 up to 16M, such as 512, 4k or 1M.");
                }

                if (lengthBytes < 2 * blockBytes || lengthBytes / blockBytes > uint.MaxValue)
                {
                    throw ToolException.Usage($"--size {SizeText.Exact(lengthBytes)} doesn't go with blocks of {SizeText.Exact(blockBytes)}. Give at least two blocks.");
                }

                patterns.Add(new BenchPattern(operation, (int)blockBytes));
            }
        }

        return patterns;
    }

    private static int Run(
        ToolContext context,
        string? cachePath,
        List<BenchPattern> patterns,
        long lengthBytes,
        int threads,
        TimeSpan duration,
        bool dataCrc,
        bool compare,
        bool json,
        CancellationToken cancellation)
    {
        var results = new List<BenchResult>();
        foreach (BenchPattern pattern in patterns)
        {
            // Whole blocks only; places of its own for each line, so that one line's memory is free before the next.
            long whole = lengthBytes / pattern.BlockBytes * pattern.BlockBytes;
            using var places = new BenchPlaces(cachePath);
            var measurement = new BenchMeasurement(places, pattern, whole, threads, dataCrc, cancellation);
            BenchResult result = measurement.Run(duration, compare);
            results.Add(result);
            if (!json)
            {
                Print(context, result, results.Count == 1);
            }
        }

        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer => Write(writer, results));
        }

        return ExitCode.Done;
    }

    private static void Print(ToolContext context, BenchResult result, bool withHeader)
    {
        bool compare = result.RatioToBound is not null;
        if (withHeader)
        {
            string header = $"{"name",-16}{"threads",8}{"ops/s",14}{"p50 ns",10}{"p99 ns",10}{"bytes/op",10}";
            context.WriteLine(compare ? header + $"{"/ bound",9}   times as fast as" : header);
        }

        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Name,-16}{result.Threads,8}{result.OperationsPerSecond,14:N0}{result.P50Nanoseconds,10:N0}{result.P99Nanoseconds,10:N0}{result.AllocatedBytesPerOperation,10:F1}");
        if (result.RatioToBound is double ratio)
        {
            string peers = string.Join(", ", result.Versus.Select(peer => string.Create(CultureInfo.InvariantCulture, $"{peer.Key} {peer.Value:F2}")));
            line += string.Create(CultureInfo.InvariantCulture, $"{ratio,9:F2}   {peers}");
        }

        context.WriteLine(line);
    }

    private static void Write(Utf8JsonWriter json, List<BenchResult> results)
    {
        json.WriteStartArray("results");
        foreach (BenchResult result in results)
        {
            json.WriteStartObject();
            json.WriteString("name", result.Name);
            json.WriteNumber("threads", result.Threads);
            json.WriteBoolean("dataCrc", result.DataCrc);
            json.WriteNumber("opsPerSecond", Math.Round(result.OperationsPerSecond));
            json.WriteNumber("p50Ns", result.P50Nanoseconds);
            json.WriteNumber("p99Ns", result.P99Nanoseconds);
            if (result.RatioToBound is double ratio)
            {
                json.WriteNumber("ratioToBound", Math.Round(ratio, 4));
            }
            else
            {
                json.WriteNull("ratioToBound");
            }

            json.WriteNumber("allocatedBytesPerOp", Math.Round(result.AllocatedBytesPerOperation, 4));
            json.WriteStartObject("versus");
            foreach (KeyValuePair<string, double> peer in result.Versus)
            {
                json.WriteNumber(peer.Key, Math.Round(peer.Value, 4));
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
