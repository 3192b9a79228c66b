namespace PCache.Core;

/// <summary>The names by which applications find what the cache tells of itself (see docs/observability.md).</summary>
public static class PCacheDiagnostics
{
    /// <summary>Name of the meter: <c>System.Diagnostics.Metrics</c>.</summary>
    public const string MeterName = "PCache.Core";

    /// <summary>Name of the source of activities: opening, recovery, drains.</summary>
    public const string ActivitySourceName = "PCache.Core";

    /// <summary>Category of the log messages that go to <see cref="PCacheOptions.LoggerFactory"/>.</summary>
    public const string LogCategory = "PCache.Core";
}
