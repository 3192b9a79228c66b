// Keeps true: another process, so its figures stand in a table of their own; an engine that this build or this memory
// doesn't have is a note, no error.
using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using PCache.Benchmarks.Scenarios;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Compare;

/// <summary>Runs fio where it is installed.</summary>
internal static class FioPeer
{
    private const long MegaByte = 1 << 20;
    private static readonly string[] Engines = ["psync", "mmap", "libpmem", "pmemblk"];
    private static readonly string[] Operations = ["randwrite", "randread"];

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var table = new BenchTable("fio", "fio, 4 KiB, one thread",
            [new("engine", "engine"), new("operation", "operation"), new("opsPerSecond", "ops/s"),
                new("meanNs", "mean ns"), new("p50Ns", "p50 ns"), new("p99Ns", "p99 ns"), new("p999Ns", "p99.9 ns")]);
        var notes = new List<string>();
        string version = Execute(["--version"], cancellation)?.Trim() ?? string.Empty;
        if (version.Length == 0)
        {
            notes.Add("fio isn't installed.");
        }
        else
        {
            notes.Add(version
                + ", in the same directory as the peers' files; another process, so there is no ratio of rounds.");
            string known = Execute(["--enghelp"], cancellation) ?? string.Empty;
            string[] have = [.. known.Split(['\n', '\t', ' '], StringSplitOptions.RemoveEmptyEntries)];
            foreach (string engine in Engines)
            {
                if (!have.Contains(engine))
                {
                    notes.Add($"This build of fio has no engine {engine}.");
                    continue;
                }

                Measure(settings, engine, table, notes, cancellation);
            }
        }

        return new ScenarioResult("fio", "An outside peer.", [table], []) { Notes = notes };
    }

    /// <summary>Adds the line that fio's JSON has for an operation; false if it has none.</summary>
    public static bool TryAdd(string output, string engine, string operation, BenchTable table)
    {
        // Messages may stand before the document.
        int start = output.IndexOf('{', StringComparison.Ordinal);
        if (start < 0)
        {
            return false;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(output[start..]);
            JsonElement job = document.RootElement.GetProperty("jobs")[0];
            JsonElement side = job.GetProperty(operation == "randwrite" ? "write" : "read");
            if (job.GetProperty("error").GetInt32() != 0
                || !side.GetProperty("clat_ns").TryGetProperty("percentile", out JsonElement percentiles))
            {
                return false;
            }

            table.Add(
                engine, operation, side.GetProperty("iops").GetDouble(),
                    side.GetProperty("lat_ns").GetProperty("mean").GetDouble(),
                percentiles.GetProperty("50.000000").GetDouble(), percentiles.GetProperty("99.000000").GetDouble(),
                    percentiles.GetProperty("99.900000").GetDouble());
            return true;
        }
        catch (Exception exception) when (exception is JsonException or KeyNotFoundException
            or InvalidOperationException or IndexOutOfRangeException)
        {
            return false;
        }
    }

    private static void Measure(CompareSettings settings, string engine, BenchTable table, List<string> notes,
        CancellationToken cancellation)
    {
        using var places = new BenchPlaces(settings);
        string path = Path.Combine(places.DirectoryPath, "fio");
        long megaBytes = Math.Max(64, settings.LengthBytes / MegaByte);
        List<string> arguments =
        [
            "--name=pcache", "--bs=4k", "--output-format=json", "--thread", "--numjobs=1", $"--ioengine={engine}",
            string.Create(CultureInfo.InvariantCulture, $"--size={megaBytes}m"),
        ];
        arguments.AddRange(engine switch
        {
            // A pool of blocks has tables of its own: a bit more than the size.
            "pmemblk" => [string.Create(CultureInfo.InvariantCulture,
                $"--filename={Escaped(path)},4096,{megaBytes + 64}"), "--direct=1"],
            "libpmem" => [$"--filename={Escaped(path)}", "--direct=1", "--sync=1"],
            _ => [$"--filename={Escaped(path)}"],
        });

        // All of it is written first: blocks never written cost next to nothing to read.
        Execute([.. arguments, "--rw=write"], cancellation);
        string seconds = Math.Max(1, (int)settings.Duration.TotalSeconds).ToString(CultureInfo.InvariantCulture);
        foreach (string operation in Operations)
        {
            string output = Execute([.. arguments, $"--rw={operation}", "--norandommap", "--randrepeat=0",
                "--time_based", "--runtime=" + seconds], cancellation) ?? string.Empty;
            if (!TryAdd(output, engine, operation, table))
            {
                string told = output.Length == 0 ? "no output" : output[..Math.Min(output.Length, 160)].Split('{')[0];
                notes.Add($"{engine}, {operation}: {ErrorReport.OneLine(told)}");
            }
        }
    }

    /// <summary>Standard output; null where fio can't be started.</summary>
    private static string? Execute(IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo("fio") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        // Memory files are taken for persistent memory, as the bench does.
        start.Environment["PMEM_IS_PMEM_FORCE"] = "1";
        try
        {
            using Process process = Process.Start(start)!;
            using CancellationTokenRegistration stop = cancellation.Register(process.Kill);
            process.ErrorDataReceived += (_, _) => { };
            process.BeginErrorReadLine();
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            cancellation.ThrowIfCancellationRequested();
            return output;
        }
        catch (Win32Exception)
        {
            return null;
        }
    }

    /// <summary>A colon separates names in fio.</summary>
    private static string Escaped(string path) => path.Replace(":", "\\:", StringComparison.Ordinal);
}
