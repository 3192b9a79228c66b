using System.CommandLine;
using PCache.Benchmarks.Compare;
using PCache.Benchmarks.Report;

namespace PCache.Benchmarks.Commands;

/// <summary><c>report</c>: the documented set, as a page with charts.</summary>
internal static class ReportCommand
{
    public static Command Build(ToolContext context)
    {
        var options = new CompareOptions();
        var folder = new Argument<string>(
            "FOLDER")
        { Description = "Where results.json, results.md and charts (SVG) go." };
        var command = new ToolCommand(
            "report",
            "Measures the documented set and writes a page, a JSON document and charts; takes some minutes.",
            BenchmarksCommand.Start + " report results --dir /mnt/disk");
        command.Add(folder);
        foreach (Option option in (Option[])[.. options.Common, options.Scenarios, options.Directory, options.Fio])
        {
            command.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            CompareSettings settings = options.Read(parse);
            IReadOnlyList<string> scenarios = options.ReadScenarios(parse);
            string directory = parse.GetRequiredValue(folder);
            bool fio = parse.GetValue(options.Fio);
            bool json = parse.GetValue(options.Json);
            string commandLine = BenchmarksCommand.Start + " "
                + string.Join(' ', parse.Tokens.Select(token => token.Value));
            return Task.Run(
                () =>
                {
                    BenchReport.Run(context, settings, directory, scenarios, fio, json, commandLine, cancellation);
                    return ExitCode.Done;
                },
                CancellationToken.None);
        });
        return command;
    }
}
