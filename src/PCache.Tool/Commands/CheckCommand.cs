// Keeps true: nothing is changed; exit code 0 only if neither damage nor lost writes were found and, where asked,
// Linux would take the image.
using System.CommandLine;
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;

namespace PCache.Tool.Commands;

/// <summary><c>pcache check</c>: verifies everything.</summary>
internal static class CheckCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        var backing = new Option<string?>(
            "--backing")
        { Description = "The backing: keys are also held against its length.", HelpName = "FILE" };
        var linux =
            new Option<bool>("--linux") { Description = "Say also whether Linux's dm-pcache would accept the image." };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "check",
            "Verifies every structure, chain, kset, key and payload checksum, without changing anything.",
            "pcache check cache.img",
            "pcache check cache.img --backing disk.img --linux --json");
        command.Add(cache);
        command.Add(backing);
        command.Add(linux);
        command.Add(json);
        command.SetAction(parse => Run(
            context, parse.GetRequiredValue(cache), parse.GetValue(backing), parse.GetValue(linux),
            parse.GetValue(json)));
        return command;
    }

    private static int Run(ToolContext context, string path, string? backingPath, bool linux, bool json)
    {
        long? backingLength = null;
        if (backingPath is not null)
        {
            using CommandBacking backing = CacheFiles.OpenBacking(backingPath, readOnly: true);
            backingLength = backing.Length;
        }

        CheckReport? report = null;
        RescueImage? rescue = null;
        RescueFiles? files = null;
        try
        {
            report = Check(context, path, backingLength, linux);
            if (!report.IsCache)
            {
                throw NoCache(path, report);
            }

            if (!report.IsSound)
            {
                files = RescueFiles.Open(context, path);
                rescue = files.Image;
                report = report with { Findings = WithRescued(report.Findings, rescue) };
            }
        }
        catch (ToolException failure) when (RescueFiles.MayHelp(failure))
        {
            files = RescueFiles.OpenInsteadOf(context, path, failure);
            rescue = files.Image;
            LinuxVerdict? verdict = linux ? report?.Linux ?? LinuxVerdict.Refuses : null;
            report = new CheckReport
            {
                IsCache = true,
                IsSound = false,
                IsAcceptedByLinux = verdict is null ? null : verdict == LinuxVerdict.Takes,
                Linux = verdict,
                Findings = [
                    .. rescue.Findings, .. report?.Findings.Where(
                        finding => finding.Code.StartsWith("linux-", StringComparison.Ordinal)) ?? []
                ],
            };
        }

        using (files)
        {
            Show(context, json, report, rescue);
        }

        return report.IsSound && report.IsAcceptedByLinux != false ? ExitCode.Done : ExitCode.Damage;
    }

    private static ToolException NoCache(string path, CheckReport report)
    {
        string reason =
            report.Findings.Count == 0 ? "There is no cache on it." : ErrorReport.OneLine(report.Findings[0].Text);
        string linux =
            report.Linux == LinuxVerdict.FormatsOver ? " Linux would format it over without a word." : string.Empty;
        return ToolException.Refused(
            $"'{path}' isn't a cache: {reason}{linux} Check the path, or make a cache with 'pcache format'.",
            new PCacheNotFormattedException());
    }

    /// <summary>Adds what stands behind the damage at which a check has to stop.</summary>
    private static List<Finding> WithRescued(IReadOnlyList<Finding> findings, RescueImage rescue)
    {
        List<Finding> all = [.. findings];
        HashSet<(string, long)> known = [.. findings.Select(finding => (finding.Structure, finding.Offset))];
        all.AddRange(
            rescue.Findings.Where(finding => finding.Offset >= 0 && known.Add((finding.Structure, finding.Offset))));
        return all;
    }

    private static CheckReport Check(ToolContext context, string path, long? backingLength, bool linux)
    {
        using PmemRegion region = CacheFiles.OpenRegion(path, readOnly: true);
        using var bar = new ProgressBar(context, "checking");
        return CacheFiles.Naming(path, () => CacheImage.Check(
            region,
            new CheckOptions
            {
                BackingLengthBytes = backingLength,
                CheckLinux = linux,
                Progress = new DirectProgress<InspectionProgress>(p => bar.Report(p.DoneBytes, p.TotalBytes))
            }));
    }

    private static void Show(ToolContext context, bool json, CheckReport report, RescueImage? rescue)
    {
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteBoolean("sound", report.IsSound);
                if (report.IsAcceptedByLinux is bool accepted)
                {
                    writer.WriteBoolean("linux", accepted);
                    writer.WriteString("linuxVerdict", VerdictWord(report.Linux ?? LinuxVerdict.Refuses));
                }

                FindingsOutput.Write(writer, report.Findings);
                if (rescue is not null)
                {
                    RescueOutput.WriteSums(writer, rescue);
                }
            });
            return;
        }

        FindingsOutput.PrintWithAdvice(context.Out, report.Findings);
        context.Out.WriteLine(
            report.IsSound ? "Sound: no damage, no lost writes." : "NOT sound: see the findings above.");
        if (rescue is not null)
        {
            context.Out.WriteLine($"What can be had: {RescueOutput.Sums(rescue)}.");
        }

        if (report.Linux is LinuxVerdict verdict)
        {
            context.Out.WriteLine(verdict switch
            {
                LinuxVerdict.Takes => "Linux would accept it.",
                LinuxVerdict.TakesWrongly => "Linux would accept it, but NOT use it rightly: see the findings above.",
                LinuxVerdict.FormatsOver => "Linux would format it over: see the findings above.",
                _ => "Linux would NOT accept it: see the findings above.",
            });
        }
    }

    private static string VerdictWord(LinuxVerdict verdict) => verdict switch
    {
        LinuxVerdict.Takes => "takes",
        LinuxVerdict.TakesWrongly => "takes-wrongly",
        LinuxVerdict.FormatsOver => "formats-over",
        _ => "refuses",
    };
}
