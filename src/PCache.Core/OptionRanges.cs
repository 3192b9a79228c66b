// Keeps true: what a setting may be is said here once, in code and in words: the library asks where a cache is made or
// opened, PCache.DependencyInjection (which compiles this file too) where settings are bound. The limits are those of
// format and engine; a test holds them together.
using System.Text;

namespace PCache.Core;

/// <summary>The ranges of the settings.</summary>
internal static class OptionRanges
{
    public const string SegmentSizeText = "a power of two from 65536 to 16777216";
    public const string GcThresholdText = "0 to 90";
    public const string KsetTimeoutText = "above zero, at most a day";
    public const string DelayText = "zero to 30 days";
    public const string TimeoutText = "zero to 30 days, or infinite";
    public const string ConcurrencyText = "1 to 256";
    public const string GroupBytesText = "65536 to 1073741824";
    public const string LogReserveText = "1 to 64";
    public const string FingerprintText = "0 to 4096";
    public const string IndexMemoryText = "at least 262144";
    public const string LabelText = "at most 64 bytes of UTF-8 without NUL";

    private const int LeastBytes = 64 << 10;
    private const int MostGroupBytes = 1 << 30;
    private const int MostLabelBytes = 64;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    public static bool IsSegmentSize(int? bytes) =>
        bytes is null || (bytes is >= LeastBytes and <= PCacheOptions.LinuxSegmentSizeBytes && int.IsPow2(bytes.Value));

    public static bool IsGcThreshold(int? percent) => percent is null or (>= 0 and <= 90);

    public static bool IsKsetTimeout(TimeSpan time) => time > TimeSpan.Zero && time <= TimeSpan.FromDays(1);

    /// <summary>Of write-back's delay and the checkpoints' interval.</summary>
    public static bool IsDelay(TimeSpan time) => time >= TimeSpan.Zero && time <= Longest;

    public static bool IsTimeout(TimeSpan time) => time == Timeout.InfiniteTimeSpan || IsDelay(time);

    public static bool IsConcurrency(int calls) => calls is >= 1 and <= 256;

    /// <summary>Of groups and of checkpoints.</summary>
    public static bool IsGroupBytes(long bytes) => bytes is >= LeastBytes and <= MostGroupBytes;

    public static bool IsLogReserve(int segments) => segments is >= 1 and <= 64;

    public static bool IsFingerprint(int blocks) => blocks is >= 0 and <= 4096;

    public static bool IsIndexMemory(long? bytes) => bytes is null or >= 256 << 10;

    public static bool IsLabel(string? label) => label is null
        || (!label.Contains('\0', StringComparison.Ordinal) && Encoding.UTF8.GetByteCount(label) <= MostLabelBytes);
}
