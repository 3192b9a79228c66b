// Keeps true: the measured numbers are printed as they are, nothing is judged; the exit code says only whether the measurement could be made.
using System.CommandLine;
using PCache.Tool.Bench.Report;
using PCache.Tool.Bench.Scenarios;

namespace PCache.Tool.Bench;

/// <summary><c>pcache bench</c>: measures the device on this machine.</summary>
internal static class BenchCommand
{
    public static Command Build(ToolContext context)
    {
        var options = new BenchOptions();
        var command = new ToolCommand(
            "bench",
            "Measures the device on this machine. With --rw the cache has room for what is written and holds what is read (but for randmiss and partialhit): "
            + "nothing waits. The scenarios are about the rest.",
            "pcache bench",
            "pcache bench --rw randwrite --bs 512,4k,64k --data-crc --compare",
            "pcache bench --cache /mnt/pmem/bench.img --persistence dax --threads 2 --seconds 10 --json",
            "pcache bench --scenario writeback,full --dir /mnt/disk",
            "pcache bench --report results --dir /mnt/disk");
        foreach (Option option in options.All)
        {
            command.Add(option);
        }

        command.SetAction((parse, cancellation) =>
        {
            BenchRequest request = options.Read(parse);

            // On a thread of its own: a signal then cancels it, so that it removes its files.
            return Task.Run(() => Run(context, request, CommandLine(parse), cancellation), CancellationToken.None);
        });
        return command;
    }

    /// <summary>The command as it was given.</summary>
    private static string CommandLine(ParseResult parse) => "pcache " + string.Join(' ', parse.Tokens.Select(token => token.Value));

    private static int Run(ToolContext context, BenchRequest request, string commandLine, CancellationToken cancellation)
    {
        if (request.ReportDirectory is string directory)
        {
            BenchReport.Run(context, request, directory, commandLine, cancellation);
            return ExitCode.Done;
        }

        // Each scenario and each line has places of its own, so that one's memory is free before the next.
        var results = new List<BenchResult>();
        var scenarios = new List<ScenarioResult>();
        if (request.Scenarios.Count > 0)
        {
            foreach (string name in request.Scenarios)
            {
                ScenarioResult result = BenchScenarios.Run(name, request.Settings, cancellation);
                scenarios.Add(result);
                Show(request.Json, result.Lines());
            }
        }
        else
        {
            foreach (BenchPattern pattern in request.Patterns)
            {
                BenchResult result = Measure(request.Settings, pattern, cancellation);
                results.Add(result);
                Show(request.Json, results.Count == 1 ? [BenchOutput.Header(request.Settings.Compare), BenchOutput.Line(result)] : [BenchOutput.Line(result)]);
                Show(request.Json, BenchOutput.BoundLine(result) is string bound ? [bound] : []);
            }
        }

        if (request.Fio)
        {
            ScenarioResult fio = FioPeer.Run(request.Settings, cancellation);
            scenarios.Add(fio);
            Show(request.Json, fio.Lines());
        }

        if (request.Json)
        {
            JsonOutput.WriteObject(context.Out, json =>
            {
                BenchOutput.Write(json, results);
                ScenarioResult.Write(json, scenarios);
            });
        }

        return ExitCode.Done;

        void Show(bool json, IEnumerable<string> lines)
        {
            foreach (string line in json ? [] : lines)
            {
                context.WriteLine(line);
            }
        }
    }

    /// <summary>Measures one line of <c>--rw</c>.</summary>
    public static BenchResult Measure(BenchSettings settings, BenchPattern pattern, CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        return new BenchMeasurement(places, settings, pattern, cancellation).Run();
    }
}
