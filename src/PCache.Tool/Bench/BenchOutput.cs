// Keeps true: the JSON names that scripts rely on (see docs/command.md) stay; numbers are printed as measured.
using System.Globalization;
using System.Text.Json;

namespace PCache.Tool.Bench;

/// <summary>Lines of the results, for people and for scripts.</summary>
internal static class BenchOutput
{
    public static string Header { get; } =
        $"{"name",-28}{"threads",8}{"ops/s",14}{"p50 ns",10}{"p99 ns",10}"
        + $"{"p99.9 ns",10}{"bytes/op",10}{"to disk/op",12}";

    public static string Line(BenchResult result)
    {
        string toDisk = result.DiskBytesPerOperation?.ToString("N0", CultureInfo.InvariantCulture) ?? "-";
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Name,-28}{result.Threads,8}{result.OperationsPerSecond,14:N0}"
            + $"{result.Latencies.P50,10:N0}{result.Latencies.P99,10:N0}{result.Latencies.P999,10:N0}"
            + $"{result.AllocatedBytesPerOperation,10:F1}{toDisk,12}");
    }

    /// <summary>Writes the array <c>results</c>.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<BenchResult> results)
    {
        json.WriteStartArray("results");
        foreach (BenchResult result in results)
        {
            json.WriteStartObject();
            WriteFigures(json, result);
            WriteNumber(json, "diskBytesPerOp", result.DiskBytesPerOperation);
            WriteLatencies(json, [result.Latencies]);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Writes the members that every result has.</summary>
    public static void WriteFigures(Utf8JsonWriter json, BenchResult result)
    {
        json.WriteString("name", result.Name);
        json.WriteNumber("blockBytes", result.BlockBytes);
        json.WriteNumber("threads", result.Threads);
        json.WriteBoolean("dataCrc", result.DataCrc);
        json.WriteNumber("opsPerSecond", Math.Round(result.OperationsPerSecond));
        json.WriteNumber("p50Ns", result.Latencies.P50);
        json.WriteNumber("p99Ns", result.Latencies.P99);
        json.WriteNumber("p999Ns", result.Latencies.P999);
        json.WriteNumber("allocatedBytesPerOp", Math.Round(result.AllocatedBytesPerOperation, 4));
        json.WriteNumber("allocatedBytesPerOpAllThreads", Math.Round(result.AllocatedBytesPerOperationOfAll, 4));
    }

    /// <summary>A number with as many digits as it is worth; null where there is none.</summary>
    public static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is double number && double.IsFinite(number))
        {
            json.WriteNumber(name, Math.Round(number, 4));
        }
        else
        {
            json.WriteNull(name);
        }
    }

    /// <summary>Writes the object <c>histogram</c>.</summary>
    public static void WriteLatencies(Utf8JsonWriter json, IReadOnlyList<BenchLatencies> latencies)
    {
        json.WriteStartObject("histogram");
        foreach (BenchLatencies one in latencies)
        {
            json.WriteStartObject(one.Name);
            json.WriteNumber("p50Ns", one.P50);
            json.WriteNumber("p99Ns", one.P99);
            json.WriteNumber("p999Ns", one.P999);
            json.WriteStartObject("counts");
            foreach ((long nanoseconds, long count) in one.Histogram.Buckets())
            {
                json.WriteNumber(nanoseconds.ToString(CultureInfo.InvariantCulture), count);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        json.WriteEndObject();
        JsonOutput.FlushIfLarge(json);
    }
}
