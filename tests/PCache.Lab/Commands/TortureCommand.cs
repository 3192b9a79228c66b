// Keeps true: exit code 0 only if no promise was broken and no run got stuck; a violation is told with the seed that
// shows it again, on standard error or in the JSON document.
using System.CommandLine;
using System.Globalization;
using PCache.Lab.Torture;

namespace PCache.Lab.Commands;

/// <summary><c>torture</c>: the crash simulator.</summary>
internal static class TortureCommand
{
    private const string Verb = LabCommand.Start + " torture";

    public static Command Build(ToolContext context)
    {
        Option<int?> seed =
            LabOptions.Seed("Seed of the first workload; each workload has the next one. Random by default.");
        Option<int?> seconds = LabOptions.Seconds("How long to begin workloads; default 10. 0: one on each core.");
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "torture",
            "Simulates power cuts, kills and faults at every moment of random and scripted workloads, recovers from "
            + "each, and checks every promise.",
            Verb + " --seconds 600",
            Verb + " --seed 4711 --seconds 0");
        command.Add(seed);
        command.Add(seconds);
        command.Add(json);
        command.SetAction((parse, cancellation) => Task.FromResult(Run(
            context, LabOptions.SeedOf(parse, seed), parse.GetValue(seconds) ?? LabOptions.DefaultSeconds,
                parse.GetValue(json), cancellation)));
        return command;
    }

    private static int Run(ToolContext context, int seed, int seconds, bool json, CancellationToken cancellation)
    {
        var session = new TortureSession(seed);
        using (var bar = new ProgressBar(context, "torturing",
            total => string.Create(CultureInfo.InvariantCulture, $"{total} s")))
        {
            session.Run(TimeSpan.FromSeconds(seconds), Environment.ProcessorCount,
                passed => bar.Report((long)passed.TotalSeconds, seconds), cancellation);
        }

        return Report(context, session, json);
    }

    /// <summary>Tells what a session has found, and returns the exit code.</summary>
    internal static int Report(ToolContext context, TortureSession session, bool json)
    {
        TortureCounters done = session.Counters;
        return LabReport.Tell(
            context,
            json,
            session.Seed,
            [("workloads", done.Workloads), ("crashStates", done.States), ("recoveries", done.Recoveries)],
            [.. session.Failures.Select(failure =>
                new LabFinding(failure.Seed, json ? failure.Text : failure.ToString(), failure.Script))],
            finding => string.Create(CultureInfo.InvariantCulture, $"{Verb} --seed {finding.Seed} --seconds 0"));
    }
}
