// Keeps true: each line has places of its own, so that one's memory is free before the next.
using System.CommandLine;
using PCache.Benchmarks.Compare;
using PCache.Benchmarks.Scenarios;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Commands;

/// <summary><c>compare</c>: the device beside the bound and the peers.</summary>
internal static class CompareCommand
{
    public static Command Build(ToolContext context)
    {
        var options = new CompareOptions();
        var command = new ToolCommand(
            "compare",
            "Runs the device, the bound (one copy and one fence) and the peers interleaved, and prints ratios.",
            BenchmarksCommand.Start + " compare",
            BenchmarksCommand.Start + " compare --rw randwrite --bs 512,4k,64k --data-crc --json");
        foreach (Option option in (Option[])[.. options.Common, options.Operations, options.Blocks, options.NoVerify,
            options.Writeback, options.Fio])
        {
            command.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            CompareSettings settings = options.Read(parse);
            IReadOnlyList<BenchPattern> patterns = BenchOptions.ReadPatterns(
                parse.GetRequiredValue(options.Operations), parse.GetRequiredValue(options.Blocks),
                settings.LengthBytes);
            bool fio = parse.GetValue(options.Fio);
            bool json = parse.GetValue(options.Json);

            // On a thread of its own: a signal then cancels it, so that it removes its files.
            return Task.Run(() => Run(context, settings, patterns, fio, json, cancellation), CancellationToken.None);
        });
        return command;
    }

    private static int Run(ToolContext context, CompareSettings settings, IReadOnlyList<BenchPattern> patterns,
        bool fio, bool json, CancellationToken cancellation)
    {
        var results = new List<ComparedResult>();
        var scenarios = new List<ScenarioResult>();
        Show(CompareOutput.Header);
        foreach (BenchPattern pattern in patterns)
        {
            results.Add(Comparison.Run(settings, pattern, cancellation));
            Show([.. CompareOutput.Lines(results[^1])]);
        }

        if (fio)
        {
            scenarios.Add(FioPeer.Run(settings, cancellation));
            Show([.. scenarios[^1].Lines()]);
        }

        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                CompareOutput.Write(writer, results);
                ScenarioResult.Write(writer, scenarios);
            });
        }

        return ExitCode.Done;

        void Show(params string[] lines)
        {
            foreach (string line in json ? [] : lines)
            {
                context.WriteLine(line);
            }
        }
    }
}
