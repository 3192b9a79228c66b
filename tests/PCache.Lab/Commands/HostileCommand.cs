// Keeps true: exit code 0 only if no image did any harm; one that did is told with its seed, from which exactly that
// image is made again.
using System.CommandLine;
using System.Globalization;
using PCache.Lab.Hostile;

namespace PCache.Lab.Commands;

/// <summary><c>hostile</c>: damaged and forged images.</summary>
internal static class HostileCommand
{
    private const string Verb = LabCommand.Start + " hostile";

    public static Command Build(ToolContext context)
    {
        Option<int?> seed = LabOptions.Seed("Seed of the first image; each image has the next one. Random by default.");
        Option<int?> seconds = LabOptions.Seconds("How long to begin images; default 10. 0: one image.");
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "hostile",
            "Confronts the library with damaged and forged images, and compares what it makes of each with a second "
            + "reader of the format.",
            Verb + " --seconds 300",
            Verb + " --seed 152298 --seconds 0");
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
        var run = new HostileParallel(seed);
        using (var bar = new ProgressBar(context, "reading hostile images",
            total => string.Create(CultureInfo.InvariantCulture, $"{total} s")))
        {
            run.Run(
                TimeSpan.FromSeconds(seconds),
                seconds == 0 ? 1 : Environment.ProcessorCount,
                passed => bar.Report((long)passed.TotalSeconds, seconds),
                cancellation);
        }

        return LabReport.Tell(
            context,
            json,
            seed,
            [("images", run.Images), ("opened", run.Opened), ("workedWith", run.Sessions)],
            [.. run.Violations.Select(violation => new LabFinding(violation.Seed, violation.ToString()))],
            finding => string.Create(CultureInfo.InvariantCulture, $"{Verb} --seed {finding.Seed} --seconds 0"));
    }
}
