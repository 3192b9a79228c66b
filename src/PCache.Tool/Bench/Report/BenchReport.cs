// Keeps true: every figure in the page stands with the command that measures it again; what was measured before an error or an interruption isn't lost: the files are written
// anew after every part.
using System.Globalization;
using PCache.Tool.Bench.Scenarios;

namespace PCache.Tool.Bench.Report;

/// <summary>Lines of <c>--rw</c> that belong together.</summary>
internal sealed record ReportGroup(string Title, string Arguments, BenchSettings Settings, IReadOnlyList<BenchPattern> Patterns)
{
    public List<BenchResult> Results { get; } = [];
}

/// <summary><c>pcache bench --report</c>.</summary>
internal static class BenchReport
{
    private const double SweepShare = 0.5;

    public static void Run(ToolContext context, BenchRequest request, string directory, string commandLine, CancellationToken cancellation)
    {
        Directory.CreateDirectory(directory);
        BenchSettings settings = request.Settings with { Compare = true };
        var page = new ReportPage(directory, MachineInfo.Describe(settings, commandLine));
        foreach (ReportGroup group in Groups(settings))
        {
            page.Groups.Add(group);
            foreach (BenchPattern pattern in group.Patterns)
            {
                Say($"pcache bench {group.Arguments}: {pattern.Name}");
                group.Results.Add(BenchCommand.Measure(group.Settings, pattern, cancellation));
                page.Write();
            }
        }

        foreach (string name in request.Scenarios.Count > 0 ? request.Scenarios : BenchScenarios.Names)
        {
            Say($"pcache bench --scenario {name}");

            // The sweeps have many lines.
            BenchSettings own = name == "blocks" ? settings with { Duration = settings.Duration * SweepShare } : settings;
            page.Scenarios.Add(BenchScenarios.Run(name, own, cancellation));
            page.Write();
        }

        if (request.Fio)
        {
            Say("pcache bench --fio");
            page.Scenarios.Add(FioPeer.Run(settings with { Duration = settings.Duration * SweepShare }, cancellation));
        }

        page.Write();
        Say(string.Create(CultureInfo.InvariantCulture, $"Wrote {ReportPage.PageName}, {ReportPage.JsonName} and {page.Charts} charts to {directory}."));
        if (request.Json)
        {
            page.WriteJson(context.Out);
        }

        void Say(string line)
        {
            if (!request.Json)
            {
                context.WriteLine(line);
            }
        }
    }

    /// <summary>The documented set.</summary>
    private static List<ReportGroup> Groups(BenchSettings settings)
    {
        BenchSettings crc = settings with { DataCrc = true };
        List<ReportGroup> groups =
        [
            Group("4 KiB, one thread", "--compare", settings, 4096, "randwrite", "randread"),
            Group("4 KiB, one thread, payload checksums", "--data-crc --compare", crc, 4096, "randwrite", "randread"),
        ];
        if (settings.Quick)
        {
            return groups;
        }

        groups.Add(Group("4 KiB, payload checksums not verified by reads", "--rw randread --data-crc --no-verify --compare", crc with { VerifyReads = false }, 4096, "randread"));
        groups.Add(Group("512 bytes", "--rw randwrite --bs 512 --compare", settings, 512, "randwrite"));
        groups.Add(Group("64 KiB", "--rw randwrite --bs 64k --compare", settings, 65536, "randwrite"));
        groups.Add(Group("4 KiB, two threads", "--threads 2 --compare", settings with { Threads = 2 }, 4096, "randwrite", "randread"));
        groups.Add(Group("Batches of 32 blocks", "--rw batchwrite,batchread --compare", settings, 4096, "batchwrite", "batchread"));
        groups.Add(Group("Durable writes", "--rw randfua,flush --compare", settings, 4096, "randfua", "flush"));
        groups.Add(Group("Misses", "--rw partialhit,randmiss --compare", settings, 4096, "partialhit", "randmiss"));
        groups.Add(Group("Small appends through a stream", "--rw smallwrite,smallwrite-buffered --compare", settings, 4096, "smallwrite", "smallwrite-buffered"));
        return groups;
    }

    private static ReportGroup Group(string title, string arguments, BenchSettings settings, int blockBytes, params string[] operations) =>
        new(title, arguments, settings, [.. operations.Select(operation => new BenchPattern(operation, blockBytes))]);
}
