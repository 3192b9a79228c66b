using System.Globalization;
using System.Text;
using Microsoft.Extensions.Options;
using PCache.Core;

namespace PCache.DependencyInjection;

/// <summary>
/// Checks a cache's settings as a whole. Keeps true: everything that is wrong is told at once, each with the
/// setting's name and what is allowed; the ranges are the library's own (a test holds them against it); nothing is
/// opened for it.
/// </summary>
internal sealed class SettingsValidation : IValidateOptions<PCacheSettings>
{
    private const int MaxLabelBytes = 64;
    private const long LeastIndexMemory = 256 << 10;
    private const long BytesBeforeSegments = 20 << 10;
    private static readonly TimeSpan Longest = TimeSpan.FromDays(30);

    public ValidateOptionsResult Validate(string? name, PCacheSettings options)
    {
        var wrong = new List<string>(options.Problems);
        bool hasPlaces = options.CachePath is not null || options.RegionFactory is not null
            || options.BackingPath is not null || options.BackingFactory is not null;
        if (!options.SectionIsMissing || hasPlaces)
        {
            CheckPlaces(options, wrong);
        }

        CheckRanges(options, wrong);
        string whose = string.IsNullOrEmpty(name) ? "The cache's settings" : $"Settings of cache '{name}'";
        return wrong.Count == 0
            ? ValidateOptionsResult.Success
            : ValidateOptionsResult.Fail(wrong.Select(text => $"{whose}: {text}"));
    }

    private static void CheckPlaces(PCacheSettings s, List<string> wrong)
    {
        Require(!string.IsNullOrWhiteSpace(s.CachePath) || s.RegionFactory is not null,
            "CachePath must be the path of the cache's file (or set RegionFactory).");
        Require(s.CachePath is null || s.RegionFactory is null,
            "CachePath and RegionFactory are both set; one of them it must be.");
        Require(!string.IsNullOrWhiteSpace(s.BackingPath) || s.BackingFactory is not null,
            "BackingPath must be the path of what the cache stands in front of (or set BackingFactory).");
        Require(s.BackingPath is null || s.BackingFactory is null,
            "BackingPath and BackingFactory are both set; one of them it must be.");
        Require(!s.LeaveRegionOpen || s.RegionFactory is not null,
            "LeaveRegionOpen must be false where there is no RegionFactory: nothing else would close the file.");
        Require(!s.LeaveBackingOpen || s.BackingFactory is not null,
            "LeaveBackingOpen must be false where there is no BackingFactory: nothing else would close the file.");
        Require(s.Persistence is Persistence.PageCache or Persistence.Dax or Persistence.Assumed,
            "Persistence must be PageCache, Dax or Assumed.");
        Require(s.PersistOn is PersistOn.Flush or PersistOn.Write, "PersistOn must be Flush or Write.");
        Require(!s.PowerSafe || s.Persistence == Persistence.PageCache,
            "PowerSafe is a choice for Persistence PageCache only; the others need none.");
        if (!s.CreateIfMissing || s.ReadOnly || s.RegionFactory is not null || !IsSegmentSize(s.SegmentSizeBytes)
            || s.LogReserveSegments is < 1 or > 64)
        {
            return;
        }

        // A file that is too short for a cache would be made all the same, and keep its length for ever.
        long segment = s.SegmentSizeBytes ?? PCacheOptions.LinuxSegmentSizeBytes;
        long least = BytesBeforeSegments + ((s.LogReserveSegments + 2) * segment);
        Require(
            s.CacheLengthBytes >= least,
            string.Create(CultureInfo.InvariantCulture,
                $"CacheLengthBytes must be at least {least} ({s.LogReserveSegments + 2} segments of {segment} bytes), "
                + $"for a cache that isn't there yet; or set CreateIfMissing to false."));

        void Require(bool condition, string text)
        {
            if (!condition)
            {
                wrong.Add(text);
            }
        }
    }

    private static void CheckRanges(PCacheSettings s, List<string> wrong)
    {
        Require(IsSegmentSize(s.SegmentSizeBytes), nameof(s.SegmentSizeBytes), s.SegmentSizeBytes,
            "a power of two from 65536 to 16777216, or not set");
        Require(s.GcThresholdPercent is null or (>= 0 and <= 90), nameof(s.GcThresholdPercent), s.GcThresholdPercent,
            "0 to 90, or not set");
        Require(
            s.BackingFingerprintBlocks is >= 0 and <= 4096, nameof(s.BackingFingerprintBlocks),
            s.BackingFingerprintBlocks, "0 to 4096");
        Require(
            s.KsetTimeout > TimeSpan.Zero && s.KsetTimeout <= TimeSpan.FromDays(1), nameof(s.KsetTimeout),
            s.KsetTimeout, "above zero, at most a day");
        Require(
            s.WritebackDelay >= TimeSpan.Zero
                && s.WritebackDelay <= Longest, nameof(s.WritebackDelay), s.WritebackDelay, "zero to 30 days");
        Require(s.WritebackConcurrency is >= 1 and <= 256, nameof(s.WritebackConcurrency), s.WritebackConcurrency,
            "1 to 256");
        Require(
            s.WritebackGroupBytes is >= 64 << 10 and <= 1 << 30, nameof(s.WritebackGroupBytes), s.WritebackGroupBytes,
            "65536 to 1073741824");
        Require(
            s.BackingConsistency is null || Enum.IsDefined(s.BackingConsistency.Value), nameof(s.BackingConsistency),
            s.BackingConsistency, "EachFlush, Checkpoint or WhenDrained, or not set");
        Require(
            s.CheckpointBytes is >= 64 << 10 and <= 1 << 30, nameof(s.CheckpointBytes), s.CheckpointBytes,
            "65536 to 1073741824");
        Require(
            s.CheckpointInterval >= TimeSpan.Zero && s.CheckpointInterval <= Longest, nameof(s.CheckpointInterval),
            s.CheckpointInterval, "zero to 30 days");
        Require(IsTimeout(s.SpaceTimeout), nameof(s.SpaceTimeout), s.SpaceTimeout, "zero to 30 days, or infinite");
        Require(
            IsTimeout(s.DisposeTimeout), nameof(s.DisposeTimeout), s.DisposeTimeout, "zero to 30 days, or infinite");
        Require(s.LogReserveSegments is >= 1 and <= 64, nameof(s.LogReserveSegments), s.LogReserveSegments, "1 to 64");
        Require(
            s.MaxIndexMemoryBytes is null or >= LeastIndexMemory, nameof(s.MaxIndexMemoryBytes), s.MaxIndexMemoryBytes,
            "at least 262144, or not set");
        Require(
            s.Label is null
                || (!s.Label.Contains('\0', StringComparison.Ordinal)
                    && Encoding.UTF8.GetByteCount(s.Label) <= MaxLabelBytes),
            nameof(s.Label), s.Label, "at most 64 bytes of UTF-8 without NUL");

        void Require(bool condition, string setting, object? value, string allowed)
        {
            if (!condition)
            {
                wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{setting} must be {allowed}, not {value}."));
            }
        }
    }

    private static bool IsSegmentSize(int? size) =>
        size is null || (size is >= 64 << 10 and <= PCacheOptions.LinuxSegmentSizeBytes && int.IsPow2(size.Value));

    private static bool IsTimeout(TimeSpan value) =>
        value == Timeout.InfiniteTimeSpan || (value >= TimeSpan.Zero && value <= Longest);
}
