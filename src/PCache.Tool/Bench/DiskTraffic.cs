// Keeps true: what the system doesn't tell is null, never a guess.
using System.Globalization;

namespace PCache.Tool.Bench;

/// <summary>What this process makes disks write, from Linux's /proc.</summary>
internal static class DiskTraffic
{
    private const string Source = "/proc/self/io";
    private const string Name = "write_bytes:";

    /// <summary>
    /// Bytes that the process caused to be sent to disks; a dirty page of a file counts once until it is written.
    /// </summary>
    public static long? WrittenBytes()
    {
        string? line = File.Exists(Source)
            ? File.ReadLines(Source).FirstOrDefault(one => one.StartsWith(Name, StringComparison.Ordinal)) : null;
        return line is null ? null : long.Parse(line[Name.Length..], CultureInfo.InvariantCulture);
    }
}
