// Keeps true: every option is declared and checked here; what it can't be is wrong usage before anything is measured.
using System.CommandLine;
using PCache.Core;

namespace PCache.Tool.Bench;

/// <summary>The options with which a device is measured, here and in the benchmarks.</summary>
internal static class BenchOptions
{
    /// <summary>The word for a cache in memory.</summary>
    public const string Memory = "memory";

    private const long LargestBlock = 16L << 20;

    public static Option<string> Cache() => new("--cache")
    {
        Description =
            "Where the cache is: memory (a memory file system where there is one), or the path of a file that doesn't "
            + "exist yet, which is removed afterwards.",
        HelpName = "FILE or memory",
        DefaultValueFactory = _ => Memory,
    };

    public static Option<string?> Persistence() => new("--persistence")
    {
        Description =
            "What the region's stores are worth: page-cache, assumed or dax; assumed for memory and page-cache for a "
            + "file if not given.",
        HelpName = "KIND",
    };

    public static Option<string> Operations() => new("--rw")
    {
        Description = "Operations, comma-separated: " + string.Join(", ", BenchPattern.Operations) + ".",
        HelpName = "LIST",
        DefaultValueFactory = _ => "randwrite,randread",
    };

    public static Option<string> Blocks() => new("--bs")
    {
        Description = "Block sizes, comma-separated: multiples of 512, at most 16M. Take K, M.",
        HelpName = "LIST",
        DefaultValueFactory = _ => "4k",
    };

    public static Option<int?> Threads() =>
        CommonOptions.Number("--threads", "Threads, 1 to 64; 1 if not given.", 1, 64);

    public static Option<long?> Size() => CommonOptions.Size("--size", "Range that is accessed; 256M if not given.");

    public static Option<int?> Seconds() =>
        CommonOptions.Number("--seconds", "Measuring time of each line, 1 to 3600; 2 if not given.", 1, 3600);

    public static Option<bool> DataCrc() => new("--data-crc") { Description = "Payload checksums on." };

    /// <summary>The path that was given for the cache; null: memory.</summary>
    public static string? ReadCache(string place) => place == Memory ? null : place;

    public static Persistence? ReadPersistence(string? word) => word switch
    {
        null => null,
        "page-cache" => Core.Persistence.PageCache,
        "assumed" => Core.Persistence.Assumed,
        "dax" => Core.Persistence.Dax,
        _ => throw ToolException.Usage($"'{word}' isn't a value for --persistence: give page-cache, assumed or dax."),
    };

    /// <summary>All operations in all block sizes, each once.</summary>
    public static IReadOnlyList<BenchPattern> ReadPatterns(string operations, string blocks, long lengthBytes)
    {
        var patterns = new List<BenchPattern>();
        foreach (string operation in operations.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!BenchPattern.Operations.Contains(operation))
            {
                throw ToolException.Usage(
                    $"'{operation}' isn't an operation for --rw: give {string.Join(", ", BenchPattern.Operations)}.");
            }

            foreach (string block in blocks.Split(',', StringSplitOptions.TrimEntries))
            {
                if (!SizeText.TryParse(block, out long blockBytes) || blockBytes is < 512 or > LargestBlock
                    || blockBytes % 512 != 0)
                {
                    throw ToolException.Usage($"'{block}' isn't a block size for --bs: give multiples of 512 up to "
                        + "16M, such as 512, 4k or 1M.");
                }

                var pattern = new BenchPattern(operation, (int)blockBytes);
                if (lengthBytes < 2 * pattern.UnitBytes || lengthBytes / pattern.UnitBytes > uint.MaxValue)
                {
                    throw ToolException.Usage($"--size {SizeText.Exact(lengthBytes)} doesn't go with blocks of "
                        + $"{SizeText.Exact(blockBytes)}. Give at least two blocks.");
                }

                if (!patterns.Exists(one => one.Name == pattern.Name))
                {
                    patterns.Add(pattern);
                }
            }
        }

        return patterns;
    }
}
