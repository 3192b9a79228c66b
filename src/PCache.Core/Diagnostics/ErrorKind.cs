namespace PCache.Core.Diagnostics;

/// <summary>
/// The kinds of errors that are counted: values of the attribute <c>error.type</c>. Text of these names is part of
/// what users rely on (docs/observability.md).
/// </summary>
internal static class ErrorKind
{
    /// <summary>The backing failed to read.</summary>
    public const string BackingRead = "backing_read";

    /// <summary>The backing failed while writing back, or to flush.</summary>
    public const string BackingWrite = "backing_write";

    /// <summary>The cache's own medium failed.</summary>
    public const string Medium = "medium";

    /// <summary>Payload that doesn't fit its checksum was met.</summary>
    public const string DamagedData = "damaged_data";

    /// <summary>A part of the log that can't be read any more was met.</summary>
    public const string DamagedLog = "damaged_log";

    /// <summary>There was no room for what had to be written, in the log or in the cache.</summary>
    public const string NoRoom = "no_room";

    /// <summary>All of them.</summary>
    public static readonly string[] All = [BackingRead, BackingWrite, Medium, DamagedData, DamagedLog, NoRoom];
}
