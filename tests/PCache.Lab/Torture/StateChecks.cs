using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;

namespace PCache.Lab.Torture;

/// <summary>Checks of an image at rest.</summary>
internal static class StateChecks
{
    private static readonly CheckOptions Options = new();

    /// <summary>The strict offline check finds nothing wrong.</summary>
    /// <exception cref="TortureViolation">It does.</exception>
    public static void Sound(PmemRegion region)
    {
        CheckReport report = CacheImage.Check(region, Options);
        if (!report.IsCache || !report.IsSound)
        {
            throw new TortureViolation("The image isn't sound: "
                + string.Join("; ", report.Findings.Where(f => f.Severity != FindingSeverity.Note).Take(4)
                .Select(f => $"{f.Structure} at {f.Offset}: {f.Text}")));
        }
    }
}
