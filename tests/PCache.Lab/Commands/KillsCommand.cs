// Keeps true: each kind of kills has its share; the first violation of a kind ends that kind's loop, and makes the exit
// code 1.
using System.CommandLine;
using System.Globalization;
using PCache.Lab.Kills;

namespace PCache.Lab.Commands;

/// <summary><c>kills</c>: real processes on real files, killed with SIGKILL.</summary>
internal static class KillsCommand
{
    private const string Verb = LabCommand.Start + " kills";
    private const int DefaultKills = 320;
    private const int MaxKills = 10_000_000;
    private const int DefaultSeed = 20_000;

    public static Command Build(ToolContext context)
    {
        Option<int?> kills = CommonOptions.Number("--kills",
            "Kills of writers, of all kinds together; default 320. Eight come with each kill of their process.", 1,
            MaxKills);
        Option<int?> seed = LabOptions.Seed("Seed of what is written and when it is killed; default 20000.");
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "kills",
            "Kills a process that writes eight caches at once, again and again, and checks each time that every "
            + "acknowledged write is there.",
            Verb + " --kills 5000");
        command.Add(kills);
        command.Add(seed);
        command.Add(json);
        command.SetAction((parse, cancellation) => Task.FromResult(Run(
            context, parse.GetValue(kills) ?? DefaultKills, parse.GetValue(seed) ?? DefaultSeed, parse.GetValue(json),
                cancellation)));
        return command;
    }

    private static int Run(ToolContext context, int wanted, int seed, bool json, CancellationToken cancellation)
    {
        int rounds = RoundsOf(wanted);
        var findings = new List<LabFinding>();
        long kills = 0;
        long acknowledged = 0;
        using (var bar = new ProgressBar(context, "killing",
            total => string.Create(CultureInfo.InvariantCulture, $"{total} writers")))
        {
            foreach (KillKind kind in KillKind.All)
            {
                using var loop = new KillLoop(kind, kind.SeedOf(seed));
                try
                {
                    loop.Kill(
                        rounds,
                        _ =>
                        {
                            kills += KillLoop.Images;
                            bar.Report(kills, (long)rounds * KillLoop.Images * KillKind.All.Count);
                        },
                        cancellation);
                    if (!cancellation.IsCancellationRequested)
                    {
                        loop.Finish();
                    }
                }
                catch (KillViolationException exception)
                {
                    findings.Add(new LabFinding(seed, $"{kind}: {exception.Message}"));
                }

                acknowledged += loop.AcknowledgedWrites;
            }
        }

        return LabReport.Tell(
            context,
            json,
            seed,
            [("kills", kills), ("acknowledged", acknowledged)],
            findings,
            finding => string.Create(CultureInfo.InvariantCulture, $"{Verb} --kills {wanted} --seed {finding.Seed}"));
    }

    /// <summary>
    /// Kills of the process for each kind, so that all kinds together have at least so many kills of writers.
    /// </summary>
    public static int RoundsOf(int kills)
    {
        int each = KillLoop.Images * KillKind.All.Count;
        return (kills + each - 1) / each;
    }
}
