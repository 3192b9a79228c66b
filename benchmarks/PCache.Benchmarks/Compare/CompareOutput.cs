// Keeps true: the JSON names that scripts rely on (see docs/benchmarks.md) stay; numbers are printed as measured.
using System.Globalization;
using System.Text.Json;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Compare;

/// <summary>Lines of the comparison, for people and for scripts.</summary>
internal static class CompareOutput
{
    public static string Header { get; } =
        $"{"name",-28}{"threads",8}{"ops/s",14}{"p50 ns",10}{"p99 ns",10}{"p99.9 ns",10}"
        + $"{"bytes/op",10}{"/ bound",9}{"quartiles",12}{"clock",7}   times as fast as";

    /// <summary>The device's line, and the bound's, whose percentiles have the clock's own cost in them too.</summary>
    public static IEnumerable<string> Lines(ComparedResult result)
    {
        BenchResult device = result.Device;
        BenchLatencies bound = result.Latencies[1];
        string quartiles = string.Create(CultureInfo.InvariantCulture,
            $"{result.RatioQuartiles.Low:F2}-{result.RatioQuartiles.High:F2}");
        string peers = string.Join(", ",
            result.Versus.Select(peer => string.Create(CultureInfo.InvariantCulture, $"{peer.Key} {peer.Value:F2}")));
        string variants = string.Concat(
            result.Variants.Select(one =>
            string.Create(CultureInfo.InvariantCulture, $"; / {one.Key} {one.Value:F2}")));
        string figures = Figures(device.Name, device.Threads, device.OperationsPerSecond, device.Latencies);
        yield return (figures + string.Create(
            CultureInfo.InvariantCulture,
            $"{device.AllocatedBytesPerOperation,10:F1}{result.RatioToBound,9:F2}{quartiles,12}{result.Clock,7}   "
                + $"{peers}{variants}")).TrimEnd();
        yield return Figures("  bound", device.Threads, result.BoundOperationsPerSecond, bound);
    }

    /// <summary>Writes the array <c>results</c>.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<ComparedResult> results)
    {
        json.WriteStartArray("results");
        foreach (ComparedResult result in results)
        {
            json.WriteStartObject();
            BenchOutput.WriteFigures(json, result.Device);
            BenchOutput.WriteNumber(json, "ratioToBound", result.RatioToBound);
            BenchOutput.WriteNumber(json, "ratioToBoundWall", result.RatioToBoundWall);
            BenchOutput.WriteNumber(json, "ratioToBoundCpu", result.RatioToBoundCpu);
            BenchOutput.WriteNumber(json, "ratioLowQuartile", result.RatioQuartiles.Low);
            BenchOutput.WriteNumber(json, "ratioHighQuartile", result.RatioQuartiles.High);
            json.WriteString("clock", result.Clock);
            BenchOutput.WriteNumber(json, "boundOpsPerSecond", result.BoundOperationsPerSecond);
            WriteRatios(json, "versus", result.Versus);
            WriteRatios(json, "variants", result.Variants);
            BenchOutput.WriteLatencies(json, result.Latencies);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string Figures(string name, int threads, double rate, BenchLatencies latencies) => string.Create(
        CultureInfo.InvariantCulture,
            $"{name,-28}{threads,8}{rate,14:N0}{latencies.P50,10:N0}{latencies.P99,10:N0}{latencies.P999,10:N0}");

    private static void WriteRatios(Utf8JsonWriter json, string name, IReadOnlyList<KeyValuePair<string,
        double>> ratios)
    {
        json.WriteStartObject(name);
        foreach (KeyValuePair<string, double> ratio in ratios)
        {
            BenchOutput.WriteNumber(json, ratio.Key, ratio.Value);
        }

        json.WriteEndObject();
    }
}
