using System.Globalization;
using OpenTelemetry;
using OpenTelemetry.Metrics;

namespace Observability;

/// <summary>Keeps the figures that were collected last, and prints them as a table.</summary>
internal sealed class MetricsTable : BaseExporter<Metric>
{
    private readonly Lock _lock = new();
    private readonly List<Row> _rows = [];

    public override ExportResult Export(in Batch<Metric> batch)
    {
        lock (_lock)
        {
            _rows.Clear();
            foreach (Metric metric in batch)
            {
                foreach (ref readonly MetricPoint point in metric.GetMetricPoints())
                {
                    _rows.Add(MakeRow(metric, in point));
                }
            }
        }

        return ExportResult.Success;
    }

    /// <summary>Prints what belongs to one cache.</summary>
    public void Print(TextWriter output, Guid cacheId)
    {
        lock (_lock)
        {
            foreach (Row row in _rows.Where(row => row.CacheId == cacheId.ToString()).OrderBy(row => row.Name, StringComparer.Ordinal))
            {
                output.WriteLine($"{row.Name,-30} {row.Attributes,-28} {row.Value,16} {row.Unit}");
            }
        }
    }

    private static Row MakeRow(Metric metric, in MetricPoint point)
    {
        string? cacheId = null;
        var attributes = new List<string>();
        foreach (KeyValuePair<string, object?> tag in point.Tags)
        {
            if (tag.Key == "pcache.cache.id")
            {
                cacheId = (string?)tag.Value;
            }
            else if (tag.Key != "pcache.cache.label")
            {
                attributes.Add(tag.Key.StartsWith("pcache.", StringComparison.Ordinal) ? $"{tag.Key.Split('.')[^1]}={tag.Value}" : $"{tag.Key}={tag.Value}");
            }
        }

        string value = metric.MetricType switch
        {
            MetricType.LongSum or MetricType.LongSumNonMonotonic => point.GetSumLong().ToString(CultureInfo.InvariantCulture),
            MetricType.DoubleGauge => point.GetGaugeLastValueDouble().ToString("0.000", CultureInfo.InvariantCulture),
            MetricType.Histogram => string.Create(CultureInfo.InvariantCulture, $"{point.GetHistogramCount()} x {point.GetHistogramSum() / point.GetHistogramCount():0.0000}"),
            _ => metric.MetricType.ToString(),
        };
        return new Row(metric.Name, string.Join(' ', attributes), value, metric.Unit, cacheId);
    }

    private sealed record Row(string Name, string Attributes, string Value, string Unit, string? CacheId);
}
