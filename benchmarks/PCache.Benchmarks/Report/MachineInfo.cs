// Keeps true: says what the runtime and the system tell, no guesses.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;
using PCache.Benchmarks.Compare;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Report;

/// <summary>What the figures were measured on.</summary>
internal static class MachineInfo
{
    /// <summary>Names and values.</summary>
    public static IReadOnlyList<KeyValuePair<string, string>> Describe(CompareSettings settings, string commandLine)
    {
        string region;
        using (var places = new BenchPlaces(settings))
        {
            region = places.Description;
        }

        return
        [
            new("date", DateTime.UtcNow.ToString("yyyy-MM-dd HH:mm 'UTC'",
                System.Globalization.CultureInfo.InvariantCulture)),
            new("command", commandLine),
            new("processor", Processor() + $", {Environment.ProcessorCount} cores"),
            new("widest stores", Avx512F.IsSupported ? "512 bits" : Avx.IsSupported ? "256 bits" : Sse2.IsSupported
                ? "128 bits" : "ordinary"),
            new("memory", SizeText.Rounded(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes)),
            new("system",
                $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}, "
                + $"{RuntimeInformation.ProcessArchitecture}"),
            new("region, bound and peers' files", region),
        ];
    }

    private static string Processor()
    {
        const string Name = "model name";
        string? line = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(one => one.StartsWith(Name, StringComparison.Ordinal))
            : null;
        return line?.Split(':')[^1].Trim() ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
