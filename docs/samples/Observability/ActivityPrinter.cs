using System.Diagnostics;
using System.Globalization;
using OpenTelemetry;

namespace Observability;

/// <summary>Prints each activity when it ends: name, time, tags.</summary>
internal sealed class ActivityPrinter(TextWriter output) : BaseExporter<Activity>
{
    public override ExportResult Export(in Batch<Activity> batch)
    {
        foreach (Activity activity in batch)
        {
            IEnumerable<string> tags = activity.TagObjects.Where(tag => tag.Key != "pcache.cache.id").Select(tag => $"{tag.Key}={tag.Value}");
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"span   {activity.OperationName} {activity.Duration.TotalMilliseconds:0.0} ms {(activity.Status == ActivityStatusCode.Error ? "FAILED " : "")}{string.Join(' ', tags)}"));
        }

        return ExportResult.Success;
    }
}
