// Keeps true: every figure in the page stands with the command that measures it again; what was measured before an
// error or an interruption isn't lost: the files are written anew after every part.
using System.Globalization;
using PCache.Benchmarks.Commands;
using PCache.Benchmarks.Compare;
using PCache.Benchmarks.Scenarios;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Report;

/// <summary>Operations that belong together.</summary>
internal sealed record ReportGroup(string Title, string Arguments, CompareSettings Settings,
    IReadOnlyList<BenchPattern> Patterns)
{
    public List<ComparedResult> Results { get; } = [];
}

/// <summary>The verb <c>report</c>.</summary>
internal static class BenchReport
{
    /// <summary>How a comparison is started.</summary>
    public const string CompareVerb = BenchmarksCommand.Start + " compare";

    /// <summary>How a scenario is started, but for its name.</summary>
    public const string ScenarioVerb = BenchmarksCommand.Start + " scenario --scenario";

    private const double SweepShare = 0.5;

    public static void Run(
        ToolContext context, CompareSettings settings, string directory, IReadOnlyList<string> scenarios, bool fio,
            bool json, string commandLine, CancellationToken cancellation)
    {
        Directory.CreateDirectory(directory);
        var page = new ReportPage(directory, MachineInfo.Describe(settings, commandLine));
        foreach (ReportGroup group in Groups(settings))
        {
            page.Groups.Add(group);
            foreach (BenchPattern pattern in group.Patterns)
            {
                Say($"{CompareVerb} {group.Arguments}: {pattern.Name}");
                group.Results.Add(Comparison.Run(group.Settings, pattern, cancellation));
                page.Write();
            }
        }

        foreach (string name in scenarios)
        {
            Say($"{ScenarioVerb} {name}");

            // The sweeps have many lines.
            CompareSettings own = name == "blocks" ? settings with { Duration = settings.Duration * SweepShare }
                : settings;
            page.Scenarios.Add(BenchScenarios.Run(name, own, cancellation));
            page.Write();
        }

        if (fio)
        {
            Say(CompareVerb + " --fio");
            page.Scenarios.Add(FioPeer.Run(settings with { Duration = settings.Duration * SweepShare }, cancellation));
        }

        page.Write();
        Say(string.Create(CultureInfo.InvariantCulture,
            $"Wrote {ReportPage.PageName}, {ReportPage.JsonName} and {page.Charts} charts to {directory}."));
        if (json)
        {
            page.WriteJson(context.Out);
        }

        void Say(string line)
        {
            if (!json)
            {
                context.WriteLine(line);
            }
        }
    }

    /// <summary>The documented set.</summary>
    private static List<ReportGroup> Groups(CompareSettings settings)
    {
        CompareSettings crc = settings with { DataCrc = true };
        List<ReportGroup> groups =
        [
            Group("4 KiB, one thread", "", settings, 4096, "randwrite", "randread"),
            Group("4 KiB, one thread, payload checksums", "--data-crc", crc, 4096, "randwrite", "randread"),
        ];
        if (settings.Quick)
        {
            return groups;
        }

        groups.Add(Group("4 KiB, payload checksums not verified by reads", "--rw randread --data-crc --no-verify",
            crc with { VerifyReads = false }, 4096, "randread"));
        groups.Add(Group("512 bytes", "--rw randwrite --bs 512", settings, 512, "randwrite"));
        groups.Add(Group("64 KiB", "--rw randwrite --bs 64k", settings, 65536, "randwrite"));
        groups.Add(Group("4 KiB, two threads", "--threads 2", settings with { Threads = 2 }, 4096, "randwrite",
            "randread"));
        groups.Add(Group("Batches of 32 blocks", "--rw batchwrite,batchread", settings, 4096, "batchwrite",
            "batchread"));
        groups.Add(Group("Durable writes", "--rw randfua,flush", settings, 4096, "randfua", "flush"));
        groups.Add(Group("Misses", "--rw partialhit,randmiss", settings, 4096, "partialhit", "randmiss"));
        groups.Add(Group("Small appends through a stream", "--rw smallwrite,smallwrite-buffered", settings, 4096,
            "smallwrite", "smallwrite-buffered"));
        return groups;
    }

    private static ReportGroup Group(string title, string arguments, CompareSettings settings, int blockBytes,
        params string[] operations) =>
        new(title, arguments, settings, [.. operations.Select(operation => new BenchPattern(operation, blockBytes))]);
}
