// Keeps true: each variant has its turn, with one seed for a round of all of them; the first violation ends the run, as
// threads may be left that use its device.
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using PCache.Lab.Soak;

namespace PCache.Lab.Commands;

/// <summary><c>soak</c>: threads of all kinds at once.</summary>
internal static class SoakCommand
{
    private const string Verb = LabCommand.Start + " soak";
    private static readonly TimeSpan HangLimit = TimeSpan.FromMinutes(1);

    public static Command Build(ToolContext context)
    {
        Option<int?> seed =
            LabOptions.Seed("Seed of the first round of all variants; each round has the next one. Random by default.");
        Option<int?> seconds =
            LabOptions.Seconds("How long to begin runs; default 10. At least one round; 0: a round of a second for "
                + "each variant.");
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "soak",
            "Lets writers, readers, flushes, drains, changes of length and kills loose on a tiny cache at once, and "
            + "judges every read.",
            Verb + " --seconds 600",
            Verb + " --seed 7 --seconds 0");
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
        var time = Stopwatch.StartNew();
        var findings = new List<LabFinding>();
        long runs = 0;
        long writes = 0;
        long reads = 0;
        long kills = 0;
        TimeSpan each =
            TimeSpan.FromSeconds(Math.Clamp((double)seconds / SoakVariant.All.Count, 1,
            SoakVariant.LongestRun.TotalSeconds));
        using (var bar = new ProgressBar(context, "soaking",
            total => string.Create(CultureInfo.InvariantCulture, $"{total} s")))
        {
            for (; IsToGoOn(); runs++)
            {
                int round = seed + (int)(runs / SoakVariant.All.Count);
                SoakVariant variant = SoakVariant.All[(int)(runs % SoakVariant.All.Count)];
                bar.Report((long)time.Elapsed.TotalSeconds, seconds);
                try
                {
                    SoakReport report = variant.Run(round, each, HangLimit);
                    writes += report.Writes;
                    reads += report.Reads;
                    kills += report.Kills;
                }
                catch (SoakException exception)
                {
                    findings.Add(new LabFinding(round, $"{variant.Name}: {exception}"));
                }
            }
        }

        return LabReport.Tell(
            context,
            json,
            seed,
            [("runs", runs), ("writes", writes), ("reads", reads), ("kills", kills)],
            findings,
            finding =>
                string.Create(CultureInfo.InvariantCulture, $"{Verb} --seed {finding.Seed} --seconds {seconds}"));

        bool IsToGoOn() => findings.Count == 0 && !cancellation.IsCancellationRequested
            && (runs < SoakVariant.All.Count || time.Elapsed.TotalSeconds < seconds);
    }
}
