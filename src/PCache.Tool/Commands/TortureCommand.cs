// Keeps true: exit code 0 only if no promise was broken and no run got stuck; a violation is told with the seed that shows it again, on standard error or in the JSON document.
using System.CommandLine;
using System.Globalization;
using PCache.Testing.Torture;

namespace PCache.Tool.Commands;

/// <summary><c>pcache torture</c>: the crash simulator against this build.</summary>
internal static class TortureCommand
{
    private const int DefaultSeconds = 10;
    private const int MaxSeconds = 10_000_000;
    private const int MaxSeed = 1_000_000_000;

    public static Command Build(ToolContext context)
    {
        Option<int?> seed = CommonOptions.Number("--seed", "Seed of the first workload; each workload has the next one. Random by default.", 1, MaxSeed);
        Option<int?> seconds = CommonOptions.Number("--seconds", "How long to begin workloads; default 10. 0: one on each core.", 0, MaxSeconds);
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "torture",
            "Simulates power cuts, kills and faults at every moment of random and scripted workloads, recovers from each, and checks every promise.",
            "pcache torture --seconds 600",
            "pcache torture --seed 4711 --seconds 0");
        command.Add(seed);
        command.Add(seconds);
        command.Add(json);
        command.SetAction((parse, cancellation) => Task.FromResult(Run(
            context, parse.GetValue(seed) ?? Random.Shared.Next(1, MaxSeed), parse.GetValue(seconds) ?? DefaultSeconds, parse.GetValue(json), cancellation)));
        return command;
    }

    private static int Run(ToolContext context, int seed, int seconds, bool json, CancellationToken cancellation)
    {
        var session = new TortureSession(seed);
        Run(context, session, seconds, cancellation);
        return Report(context, session, json);
    }

    private static void Run(ToolContext context, TortureSession session, int seconds, CancellationToken cancellation)
    {
        using (var bar = new ProgressBar(context, "torturing", total => string.Create(CultureInfo.InvariantCulture, $"{total} s")))
        {
            session.Run(TimeSpan.FromSeconds(seconds), Environment.ProcessorCount, passed => bar.Report((long)passed.TotalSeconds, seconds), cancellation);
        }
    }

    /// <summary>Tells what a session has found, and returns the exit code.</summary>
    internal static int Report(ToolContext context, TortureSession session, bool json)
    {
        int seed = session.Seed;
        TortureCounters done = session.Counters;
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteNumber("seed", seed);
                writer.WriteNumber("workloads", done.Workloads);
                writer.WriteNumber("crashStates", done.States);
                writer.WriteNumber("recoveries", done.Recoveries);
                writer.WriteNumber("violations", session.Failures.Count);
                writer.WriteStartArray("failures");
                foreach (TortureFailure failure in session.Failures)
                {
                    writer.WriteStartObject();
                    writer.WriteNumber("seed", failure.Seed);
                    writer.WriteString("text", failure.Text);
                    writer.WriteStartArray("script");
                    foreach (string action in failure.Script)
                    {
                        writer.WriteStringValue(action);
                    }

                    writer.WriteEndArray();
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            });
        }
        else
        {
            context.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"seed          {seed}"));
            context.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"workloads     {done.Workloads:N0}"));
            context.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"crash states  {done.States:N0}"));
            context.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"recoveries    {done.Recoveries:N0}"));
            context.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"violations    {session.Failures.Count:N0}"));
            foreach (TortureFailure failure in session.Failures)
            {
                context.Error.WriteLine(failure.ToString());
                context.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"To see it again: pcache torture --seed {failure.Seed} --seconds 0"));
            }
        }

        return session.Failures.Count > 0 ? ExitCode.Damage : ExitCode.Done;
    }
}
