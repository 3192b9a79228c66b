using System.CommandLine;
using PCache.Benchmarks.Compare;
using PCache.Benchmarks.Scenarios;

namespace PCache.Benchmarks.Commands;

/// <summary><c>scenario</c>: what a line of operations doesn't show: write-back, full caches, opens, memory.</summary>
internal static class ScenarioCommand
{
    public static Command Build(ToolContext context)
    {
        var options = new CompareOptions();
        var command = new ToolCommand(
            "scenario",
            "Runs scenarios: write-back, full caches, opens, memory, and more.",
            BenchmarksCommand.Start + " scenario --scenario writeback,full --dir /mnt/disk");
        foreach (Option option in (Option[])[.. options.Common, options.Scenarios, options.Directory])
        {
            command.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            CompareSettings settings = options.Read(parse);
            IReadOnlyList<string> names = options.ReadScenarios(parse);
            bool json = parse.GetValue(options.Json);
            return Task.Run(() => Run(context, settings, names, json, cancellation), CancellationToken.None);
        });
        return command;
    }

    private static int Run(ToolContext context, CompareSettings settings, IReadOnlyList<string> names, bool json,
        CancellationToken cancellation)
    {
        var scenarios = new List<ScenarioResult>();
        foreach (string name in names)
        {
            scenarios.Add(BenchScenarios.Run(name, settings, cancellation));
            foreach (string line in json ? [] : scenarios[^1].Lines())
            {
                context.WriteLine(line);
            }
        }

        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer => ScenarioResult.Write(writer, scenarios));
        }

        return ExitCode.Done;
    }
}
