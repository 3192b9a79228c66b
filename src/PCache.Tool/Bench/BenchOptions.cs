// Keeps true: every option is declared and checked here; what it can't be is wrong usage before anything is measured.
using System.CommandLine;
using PCache.Core;
using PCache.Tool.Bench.Scenarios;

namespace PCache.Tool.Bench;

/// <summary>The options of <c>pcache bench</c>.</summary>
internal sealed class BenchOptions
{
    private const string Memory = "memory";
    private const long LargestBlock = 16L << 20;

    private readonly Option<string> _cache = new("--cache")
    {
        Description = "Where the cache is: memory (a memory file system where there is one), or the path of a file that doesn't exist yet, which is removed afterwards.",
        HelpName = "FILE or memory",
        DefaultValueFactory = _ => Memory,
    };

    private readonly Option<string> _operations = new("--rw")
    {
        Description = "Operations, comma-separated: " + string.Join(", ", BenchPattern.Operations) + ".",
        HelpName = "LIST",
        DefaultValueFactory = _ => "randwrite,randread",
    };

    private readonly Option<string> _blocks = new("--bs")
    {
        Description = "Block sizes, comma-separated: multiples of 512, at most 16M. Take K, M.",
        HelpName = "LIST",
        DefaultValueFactory = _ => "4k",
    };

    private readonly Option<int?> _threads = CommonOptions.Number("--threads", "Threads, 1 to 64; 1 if not given.", 1, 64);
    private readonly Option<long?> _size = CommonOptions.Size("--size", "Range that is accessed; 256M if not given.");
    private readonly Option<int?> _seconds = CommonOptions.Number("--seconds", "Measuring time of each line, 1 to 3600; 2 if not given.", 1, 3600);
    private readonly Option<bool> _dataCrc = new("--data-crc") { Description = "Payload checksums on." };
    private readonly Option<bool> _noVerify = new("--no-verify") { Description = "With --data-crc: reads don't verify checksums." };
    private readonly Option<bool> _compare = new("--compare") { Description = "Run the bound (one copy and one fence) and the peers interleaved, and print ratios." };
    private readonly Option<string> _writeback = Words("--writeback", "Whether write-back runs while --rw is measured: paused or running.", "paused", "running");
    private readonly Option<string> _clock = Words("--clock", "What ratios are made of: auto, wall or cpu (time of the measuring threads).", "auto", "wall", "cpu");
    private readonly Option<string?> _persistence = new("--persistence")
    {
        Description = "What the region's stores are worth: page-cache, assumed or dax; assumed for memory and page-cache for a file if not given.",
        HelpName = "KIND",
    };

    private readonly Option<string?> _scenarios = new("--scenario")
    {
        Description = "Scenarios instead of --rw, comma-separated: " + string.Join(", ", BenchScenarios.Names) + ".",
        HelpName = "LIST",
    };

    private readonly Option<string?> _directory = new("--dir")
    {
        Description = "A directory on a real disk for the files of scenarios; the one for temporary files if not given.",
        HelpName = "DIR",
    };

    private readonly Option<bool> _quick = new("--quick") { Description = "Scenarios and report with small sizes and short times: to see that all works, not for figures." };
    private readonly Option<string?> _report = new("--report") { Description = "Run the documented set and write results.json, results.md and charts there.", HelpName = "DIR" };
    private readonly Option<bool> _fio = new("--fio") { Description = "Run fio too, where it is installed, in the same kind of memory." };
    private readonly Option<bool> _json = CommonOptions.Json();

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> All =>
    [
        _cache, _operations, _blocks, _threads, _size, _seconds, _dataCrc, _noVerify, _compare, _writeback, _clock, _persistence,
        _scenarios, _directory, _quick, _report, _fio, _json,
    ];

    /// <summary>What the command line asks for.</summary>
    public BenchRequest Read(ParseResult parse)
    {
        string place = parse.GetRequiredValue(_cache);
        string? directory = parse.GetValue(_directory);
        if (directory is not null && !Directory.Exists(directory))
        {
            throw ToolException.Refused($"There is no directory '{directory}'. Make it first, or leave --dir out.");
        }

        bool quick = parse.GetValue(_quick);
        var settings = new BenchSettings
        {
            CachePath = place == Memory ? null : place,
            Persistence = ParsePersistence(parse.GetValue(_persistence)),
            Directory = directory,
            LengthBytes = parse.GetValue(_size) ?? (quick ? BenchSettings.DefaultLengthBytes / 16 : BenchSettings.DefaultLengthBytes),
            Threads = parse.GetValue(_threads) ?? 1,
            Duration = parse.GetValue(_seconds) is int seconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.FromSeconds(quick ? 0.2 : 2),
            DataCrc = parse.GetValue(_dataCrc),
            VerifyReads = !parse.GetValue(_noVerify),
            WritebackRunning = parse.GetRequiredValue(_writeback) == "running",
            Compare = parse.GetValue(_compare),
            Clock = Enum.Parse<BenchClock>(parse.GetRequiredValue(_clock), ignoreCase: true),
            Quick = quick,
        };
        string? scenarios = parse.GetValue(_scenarios);
        return new BenchRequest
        {
            Settings = settings,
            Patterns = ParsePatterns(parse.GetRequiredValue(_operations), parse.GetRequiredValue(_blocks), settings.LengthBytes),
            Scenarios = scenarios is null ? [] : ParseScenarios(scenarios),
            ReportDirectory = parse.GetValue(_report),
            Fio = parse.GetValue(_fio),
            Json = parse.GetValue(_json),
        };
    }

    private static Option<string> Words(string name, string description, params string[] words)
    {
        var option = new Option<string>(name) { Description = description + $" {words[0]} if not given.", HelpName = "WORD", DefaultValueFactory = _ => words[0] };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !words.Contains(result.Tokens[0].Value))
            {
                result.AddError($"'{result.Tokens[0].Value}' isn't a value for {name}: give {string.Join(" or ", words)}.");
            }
        });
        return option;
    }

    private static Persistence? ParsePersistence(string? word) => word switch
    {
        null => null,
        "page-cache" => Persistence.PageCache,
        "assumed" => Persistence.Assumed,
        "dax" => Persistence.Dax,
        _ => throw ToolException.Usage($"'{word}' isn't a value for --persistence: give page-cache, assumed or dax."),
    };

    private static List<string> ParseScenarios(string list)
    {
        var names = new List<string>();
        foreach (string name in list.Split(',', StringSplitOptions.TrimEntries))
        {
            if (!BenchScenarios.Names.Contains(name))
            {
                throw ToolException.Usage($"'{name}' isn't a scenario: give {string.Join(", ", BenchScenarios.Names)}.");
            }

            names.Add(name);
        }

        return names;
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

                var pattern = new BenchPattern(operation, (int)blockBytes);
                if (lengthBytes < 2 * pattern.UnitBytes || lengthBytes / pattern.UnitBytes > uint.MaxValue)
                {
                    throw ToolException.Usage($"--size {SizeText.Exact(lengthBytes)} doesn't go with blocks of {SizeText.Exact(blockBytes)}. Give at least two blocks.");
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

/// <summary>What is to be done.</summary>
internal sealed record BenchRequest
{
    public required BenchSettings Settings { get; init; }

    public required IReadOnlyList<BenchPattern> Patterns { get; init; }

    /// <summary>Names; empty: the patterns are measured.</summary>
    public required IReadOnlyList<string> Scenarios { get; init; }

    public required string? ReportDirectory { get; init; }

    public required bool Fio { get; init; }

    public required bool Json { get; init; }
}
