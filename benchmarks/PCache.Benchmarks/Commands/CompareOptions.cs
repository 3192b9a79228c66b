// Keeps true: every option is declared and checked here; what it can't be is wrong usage before anything is measured.
using System.CommandLine;
using PCache.Benchmarks.Compare;
using PCache.Benchmarks.Scenarios;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Commands;

/// <summary>The options that verbs share; each verb adds those that it has.</summary>
internal sealed class CompareOptions
{
    public Option<string> Cache { get; } = BenchOptions.Cache();

    public Option<string?> Persistence { get; } = BenchOptions.Persistence();

    public Option<string> Operations { get; } = BenchOptions.Operations();

    public Option<string> Blocks { get; } = BenchOptions.Blocks();

    public Option<int?> Threads { get; } = BenchOptions.Threads();

    public Option<long?> Size { get; } = BenchOptions.Size();

    public Option<int?> Seconds { get; } = BenchOptions.Seconds();

    public Option<bool> DataCrc { get; } = BenchOptions.DataCrc();

    public Option<bool> NoVerify { get; } =
        new("--no-verify") { Description = "With --data-crc: reads don't verify checksums." };

    public Option<string> Writeback
    {
        get;
    } = Words("--writeback", "Whether write-back runs, to a backing that costs nothing: paused or running.",
        "paused", "running");

    public Option<string> Clock
    {
        get;
    } = Words("--clock", "What ratios are made of: auto, wall or cpu (time of the measuring threads).", "auto",
        "wall", "cpu");

    public Option<string?> Scenarios { get; } = new("--scenario")
    {
        Description = "Scenarios, comma-separated: "
        + string.Join(", ", BenchScenarios.Names) + ". All if not given.",
        HelpName = "LIST"
    };

    public Option<string?> Directory { get; } = new("--dir")
    {
        Description =
            "A directory on a real disk for the files of scenarios; the one for temporary files if not given.",
        HelpName = "DIR",
    };

    public Option<bool> Quick { get; } =
        new("--quick") { Description = "Small sizes and short times: to see that all works, not for figures." };

    public Option<bool> Fio { get; } =
        new("--fio") { Description = "Run fio too, where it is installed, in the same kind of memory." };

    public Option<bool> Json { get; } = CommonOptions.Json();

    /// <summary>Those that each verb has.</summary>
    public IReadOnlyList<Option> Common => [Cache, Persistence, Threads, Size, Seconds, DataCrc, Clock, Quick, Json];

    /// <summary>What the command line asks for; options that the verb doesn't have are as if not given.</summary>
    public CompareSettings Read(ParseResult parse)
    {
        bool quick = parse.GetValue(Quick);
        string? directory = parse.GetValue(Directory);
        if (directory is not null && !System.IO.Directory.Exists(directory))
        {
            throw ToolException.Refused($"There is no directory '{directory}'. Make it first, or leave --dir out.");
        }

        return new CompareSettings
        {
            CachePath = BenchOptions.ReadCache(parse.GetRequiredValue(Cache)),
            Persistence = BenchOptions.ReadPersistence(parse.GetValue(Persistence)),
            Directory = directory,
            LengthBytes = parse.GetValue(Size)
                ?? (quick ? BenchSettings.DefaultLengthBytes / 16 : BenchSettings.DefaultLengthBytes),
            Threads = parse.GetValue(Threads) ?? 1,
            Duration = parse.GetValue(Seconds) is int seconds ? TimeSpan.FromSeconds(seconds)
                : TimeSpan.FromSeconds(quick ? 0.2 : 2),
            DataCrc = parse.GetValue(DataCrc),
            VerifyReads = !parse.GetValue(NoVerify),
            WritebackRunning = parse.GetValue(Writeback) == "running",
            Clock = Enum.Parse<BenchClock>(parse.GetRequiredValue(Clock), ignoreCase: true),
            Quick = quick,
        };
    }

    /// <summary>The scenarios that are asked for; all if none is named.</summary>
    public IReadOnlyList<string> ReadScenarios(ParseResult parse)
    {
        if (parse.GetValue(Scenarios) is not string list)
        {
            return BenchScenarios.Names;
        }

        string[] names = list.Split(',', StringSplitOptions.TrimEntries);
        return Array.Find(names, name => !BenchScenarios.Names.Contains(name)) is string wrong
            ? throw ToolException.Usage($"'{wrong}' isn't a scenario: give {string.Join(", ", BenchScenarios.Names)}.")
            : names;
    }

    private static Option<string> Words(string name, string description, params string[] words)
    {
        var option = new Option<string>(name)
        {
            Description = description
            + $" {words[0]} if not given.",
            HelpName = "WORD",
            DefaultValueFactory = _ => words[0]
        };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !words.Contains(result.Tokens[0].Value))
            {
                result.AddError(
                    $"'{result.Tokens[0].Value}' isn't a value for {name}: give {string.Join(" or ", words)}.");
            }
        });
        return option;
    }
}
