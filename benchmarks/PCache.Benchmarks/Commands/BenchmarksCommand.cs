// Keeps true: measured numbers are printed as they are, nothing is judged; the exit code says only whether the
// measurement could be made.
using System.CommandLine;
using BenchmarkDotNet.Running;
using PCache.Benchmarks.Scaling;
using PCache.Benchmarks.Sqlite;

namespace PCache.Benchmarks.Commands;

/// <summary>The benchmarks' root command.</summary>
internal static class BenchmarksCommand
{
    /// <summary>How the benchmarks are started from the tree's root.</summary>
    public const string Start = "dotnet run -c Release --project benchmarks/PCache.Benchmarks --";

    private const string Parts = "parts";

    /// <summary>Runs one command line. What follows <c>parts</c> is BenchmarkDotNet's.</summary>
    public static int Invoke(string[] args, ToolContext context)
    {
        if (args is [Parts, .. string[] rest] && rest is not ["--help" or "-h" or "-?"])
        {
            BenchmarkSwitcher.FromAssembly(typeof(BenchmarksCommand).Assembly).Run(rest);
            return ExitCode.Done;
        }

        return CommandHost.Invoke(Build, args, context);
    }

    /// <summary>Makes the whole command tree.</summary>
    public static ToolRoot Build(ToolContext context)
    {
        var root = new ToolRoot(
            Start,
            "Measures the library beside what it is to be compared with.\n\nExit codes: 0 measured; 2 wrong usage; "
                + "3 refused before doing anything; 130 interrupted.",
            Start + " compare",
            Start + " report results --dir /mnt/disk");
        root.Add(CompareCommand.Build(context));
        root.Add(ScenarioCommand.Build(context));
        root.Add(ReportCommand.Build(context));
        root.Add(Tables("sqlite", "Transactions per second of SQLite, with and without a cache.", "ARGUMENT",
            "Folder of databases and caches, then rounds.", SqliteComparison.Run, "/mnt/disk"));
        root.Add(Tables("curve", "Time by that of the bound over the size of what is cached.", "MIB", "Sizes in MiB.",
            sizes => SizeCurve.Run(["curve", .. sizes]), "256 1024"));
        root.Add(Tables("index", "Bytes of the index for each page, by how many pages a stripe has.", null, null,
            _ => SizeCurve.Run(["index"]), null));
        root.Add(Tables("directory", "The longest insertions into a directory of stripes: those that double it.", null,
            null, _ => SizeCurve.Run(["directory"]), null));
        root.Add(new ToolCommand(Parts,
            "Benchmarks of the parts with BenchmarkDotNet; everything behind the word is for that.",
            $"{Start} {Parts} --filter '*StripeIndex*' --job short"));
        return root;
    }

    /// <summary>A verb that prints a table, with words for it or none.</summary>
    private static ToolCommand Tables(string name, string description, string? wordName, string? words,
        Action<string[]> run, string? example)
    {
        var command = new ToolCommand(name, description, $"{Start} {name} {example}".TrimEnd());
        Argument<string[]>? argument = wordName is null ? null
            : new Argument<string[]>(wordName) { Description = words, DefaultValueFactory = _ => [] };
        if (argument is not null)
        {
            command.Add(argument);
        }

        command.SetAction(parse =>
        {
            run(argument is null ? [] : parse.GetRequiredValue(argument));
            return ExitCode.Done;
        });
        return command;
    }
}
