using System.Globalization;
using Microsoft.Extensions.Options;
using PCache.Core;

namespace PCache.DependencyInjection;

/// <summary>
/// Checks a cache's settings as a whole. Keeps true: everything that is wrong is told at once, each with the
/// setting's name and what is allowed; the ranges are the library's own (<see cref="OptionRanges"/>); nothing is
/// opened for it.
/// </summary>
internal sealed class SettingsValidation : IValidateOptions<PCacheSettings>
{
    private const long BytesBeforeSegments = 20 << 10;

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
        if (!s.CreateIfMissing || s.ReadOnly || s.RegionFactory is not null
            || !OptionRanges.IsSegmentSize(s.SegmentSizeBytes) || !OptionRanges.IsLogReserve(s.LogReserveSegments))
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
        Require(OptionRanges.IsSegmentSize(s.SegmentSizeBytes), nameof(s.SegmentSizeBytes), s.SegmentSizeBytes,
            OptionRanges.SegmentSizeText + ", or not set");
        Require(OptionRanges.IsGcThreshold(s.GcThresholdPercent), nameof(s.GcThresholdPercent), s.GcThresholdPercent,
            OptionRanges.GcThresholdText + ", or not set");
        Require(OptionRanges.IsFingerprint(s.BackingFingerprintBlocks), nameof(s.BackingFingerprintBlocks),
            s.BackingFingerprintBlocks, OptionRanges.FingerprintText);
        Require(OptionRanges.IsKsetTimeout(s.KsetTimeout), nameof(s.KsetTimeout), s.KsetTimeout,
            OptionRanges.KsetTimeoutText);
        Require(OptionRanges.IsDelay(s.WritebackDelay), nameof(s.WritebackDelay), s.WritebackDelay,
            OptionRanges.DelayText);
        Require(OptionRanges.IsConcurrency(s.WritebackConcurrency), nameof(s.WritebackConcurrency),
            s.WritebackConcurrency, OptionRanges.ConcurrencyText);
        Require(OptionRanges.IsGroupBytes(s.WritebackGroupBytes), nameof(s.WritebackGroupBytes), s.WritebackGroupBytes,
            OptionRanges.GroupBytesText);
        Require(
            s.BackingConsistency is null || Enum.IsDefined(s.BackingConsistency.Value), nameof(s.BackingConsistency),
            s.BackingConsistency, "EachFlush, Checkpoint or WhenDrained, or not set");
        Require(OptionRanges.IsGroupBytes(s.CheckpointBytes), nameof(s.CheckpointBytes), s.CheckpointBytes,
            OptionRanges.GroupBytesText);
        Require(OptionRanges.IsDelay(s.CheckpointInterval), nameof(s.CheckpointInterval), s.CheckpointInterval,
            OptionRanges.DelayText);
        Require(OptionRanges.IsTimeout(s.SpaceTimeout), nameof(s.SpaceTimeout), s.SpaceTimeout,
            OptionRanges.TimeoutText);
        Require(OptionRanges.IsTimeout(s.DisposeTimeout), nameof(s.DisposeTimeout), s.DisposeTimeout,
            OptionRanges.TimeoutText);
        Require(OptionRanges.IsLogReserve(s.LogReserveSegments), nameof(s.LogReserveSegments), s.LogReserveSegments,
            OptionRanges.LogReserveText);
        Require(OptionRanges.IsIndexMemory(s.MaxIndexMemoryBytes), nameof(s.MaxIndexMemoryBytes), s.MaxIndexMemoryBytes,
            OptionRanges.IndexMemoryText + ", or not set");
        Require(OptionRanges.IsLabel(s.Label), nameof(s.Label), s.Label, OptionRanges.LabelText);

        void Require(bool condition, string setting, object? value, string allowed)
        {
            if (!condition)
            {
                wrong.Add(string.Create(CultureInfo.InvariantCulture, $"{setting} must be {allowed}, not {value}."));
            }
        }
    }
}
