// Keeps true: the JSON names that scripts rely on (see docs/command.md) stay; numbers are printed as measured.
using System.Globalization;
using System.Text.Json;

namespace PCache.Tool.Bench;

/// <summary>Lines of the results, for people and for scripts.</summary>
internal static class BenchOutput
{
    public static string Header(bool compare)
    {
        string header = $"{"name",-28}{"threads",8}{"ops/s",14}{"p50 ns",10}{"p99 ns",10}{"p99.9 ns",10}{"bytes/op",10}";
        return compare ? header + $"{"/ bound",9}{"quartiles",12}{"clock",7}   times as fast as" : header;
    }

    public static string Line(BenchResult result)
    {
        string line = string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Name,-28}{result.Threads,8}{result.OperationsPerSecond,14:N0}{result.P50Nanoseconds,10:N0}{result.P99Nanoseconds,10:N0}")
            + string.Create(CultureInfo.InvariantCulture, $"{result.P999Nanoseconds,10:N0}{result.AllocatedBytesPerOperation,10:F1}");
        if (result.RatioToBound is double ratio)
        {
            string quartiles = string.Create(CultureInfo.InvariantCulture, $"{result.RatioQuartiles!.Value.Low:F2}-{result.RatioQuartiles.Value.High:F2}");
            string peers = string.Join(", ", result.Versus.Select(peer => string.Create(CultureInfo.InvariantCulture, $"{peer.Key} {peer.Value:F2}")));
            string variants = string.Concat(result.Variants.Select(one => string.Create(CultureInfo.InvariantCulture, $"; / {one.Key} {one.Value:F2}")));
            line += string.Create(CultureInfo.InvariantCulture, $"{ratio,9:F2}{quartiles,12}{result.Clock,7}   {peers}{variants}");
        }

        return line.TrimEnd();
    }

    /// <summary>The bound's percentiles, which have the clock's own cost in them too.</summary>
    public static string? BoundLine(BenchResult result)
    {
        if (result.BoundOperationsPerSecond is not double rate)
        {
            return null;
        }

        BenchLatencies bound = result.Latencies[1];
        return string.Create(CultureInfo.InvariantCulture, $"{"  bound",-28}{result.Threads,8}{rate,14:N0}{bound.P50,10:N0}{bound.P99,10:N0}{bound.P999,10:N0}");
    }

    /// <summary>Writes the array <c>results</c>.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<BenchResult> results)
    {
        json.WriteStartArray("results");
        foreach (BenchResult result in results)
        {
            json.WriteStartObject();
            json.WriteString("name", result.Name);
            json.WriteNumber("blockBytes", result.BlockBytes);
            json.WriteNumber("threads", result.Threads);
            json.WriteBoolean("dataCrc", result.DataCrc);
            json.WriteNumber("opsPerSecond", Math.Round(result.OperationsPerSecond));
            json.WriteNumber("p50Ns", result.P50Nanoseconds);
            json.WriteNumber("p99Ns", result.P99Nanoseconds);
            json.WriteNumber("p999Ns", result.P999Nanoseconds);
            WriteNumber(json, "ratioToBound", result.RatioToBound);
            WriteNumber(json, "ratioToBoundWall", result.RatioToBoundWall);
            WriteNumber(json, "ratioToBoundCpu", result.RatioToBoundCpu);
            WriteNumber(json, "ratioLowQuartile", result.RatioQuartiles?.Low);
            WriteNumber(json, "ratioHighQuartile", result.RatioQuartiles?.High);
            json.WriteString("clock", result.Clock);
            json.WriteNumber("allocatedBytesPerOp", Math.Round(result.AllocatedBytesPerOperation, 4));
            json.WriteNumber("allocatedBytesPerOpAllThreads", Math.Round(result.AllocatedBytesPerOperationOfAll, 4));
            WriteNumber(json, "boundOpsPerSecond", result.BoundOperationsPerSecond);
            json.WriteStartObject("versus");
            foreach (KeyValuePair<string, double> peer in result.Versus)
            {
                WriteNumber(json, peer.Key, peer.Value);
            }

            json.WriteEndObject();
            json.WriteStartObject("variants");
            foreach (KeyValuePair<string, double> variant in result.Variants)
            {
                WriteNumber(json, variant.Key, variant.Value);
            }

            json.WriteEndObject();
            WriteLatencies(json, result.Latencies);
            json.WriteEndObject();
        }

        json.WriteEndArray();
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

    private static void WriteLatencies(Utf8JsonWriter json, IReadOnlyList<BenchLatencies> latencies)
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
