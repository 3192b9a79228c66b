using System.Globalization;
using Microsoft.Extensions.Configuration;
using PCache.Core;

namespace PCache.DependencyInjection;

/// <summary>From a section of the configuration to settings.</summary>
/// <remarks>
/// Keeps true: every setting that a text can express is in the table (a test holds it against the type); a key that
/// isn't in it is an error, as is a text that doesn't parse; what is wrong is collected and told as a whole. No
/// reflection, so trimming takes nothing away. All texts are culture-invariant.
/// </remarks>
internal static class SettingsBinding
{
    private static readonly Dictionary<string, Entry> Entries = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(PCacheSettings.CachePath)] = Text((s, v) => s.CachePath = v),
        [nameof(PCacheSettings.CacheLengthBytes)] = Whole64((s, v) => s.CacheLengthBytes = v),
        [nameof(PCacheSettings.CreateIfMissing)] = Flag((s, v) => s.CreateIfMissing = v),
        [nameof(PCacheSettings.BackingPath)] = Text((s, v) => s.BackingPath = v),
        [nameof(PCacheSettings.OpenOnStart)] = Flag((s, v) => s.OpenOnStart = v),
        [nameof(PCacheSettings.Persistence)] = new("PageCache, Dax or Assumed", SetPersistence),
        [nameof(PCacheSettings.PowerSafe)] = Flag((s, v) => s.PowerSafe = v),
        [nameof(PCacheSettings.Prefault)] = Flag((s, v) => s.Prefault = v),
        [nameof(PCacheSettings.AllowWithoutLock)] = Flag((s, v) => s.AllowWithoutLock = v),
        [nameof(PCacheSettings.ReadOnly)] = Flag((s, v) => s.ReadOnly = v),
        [nameof(PCacheSettings.SegmentSizeBytes)] = Whole((s, v) => s.SegmentSizeBytes = v),
        [nameof(PCacheSettings.PayloadCrc)] = Flag((s, v) => s.PayloadCrc = v),
        [nameof(PCacheSettings.GcThresholdPercent)] = Whole((s, v) => s.GcThresholdPercent = v),
        [nameof(PCacheSettings.Label)] = Text((s, v) => s.Label = v),
        [nameof(PCacheSettings.BackingIdentity)] = new("a GUID", SetBackingIdentity),
        [nameof(PCacheSettings.RebindBacking)] = Flag((s, v) => s.RebindBacking = v),
        [nameof(PCacheSettings.BackingFingerprintBlocks)] = Whole((s, v) => s.BackingFingerprintBlocks = v),
        [nameof(PCacheSettings.CompareBackingAfterCrash)] = Flag((s, v) => s.CompareBackingAfterCrash = v),
        [nameof(PCacheSettings.AcceptLostWrites)] = Flag((s, v) => s.AcceptLostWrites = v),
        [nameof(PCacheSettings.VerifyReads)] = Flag((s, v) => s.VerifyReads = v),
        [nameof(PCacheSettings.CacheReads)] = Flag((s, v) => s.CacheReads = v),
        [nameof(PCacheSettings.KsetTimeout)] = Span((s, v) => s.KsetTimeout = v),
        [nameof(PCacheSettings.PersistOn)] = new("Flush or Write", SetPersistOn),
        [nameof(PCacheSettings.WritebackDelay)] = Span((s, v) => s.WritebackDelay = v),
        [nameof(PCacheSettings.StartWritebackPaused)] = Flag((s, v) => s.StartWritebackPaused = v),
        [nameof(PCacheSettings.WritebackConcurrency)] = Whole((s, v) => s.WritebackConcurrency = v),
        [nameof(PCacheSettings.WritebackGroupBytes)] = Whole((s, v) => s.WritebackGroupBytes = v),
        [nameof(PCacheSettings.BackingConsistency)] =
            new("EachFlush, Checkpoint or WhenDrained", SetBackingConsistency),
        [nameof(PCacheSettings.CheckpointJournalPath)] = Text((s, v) => s.CheckpointJournalPath = v),
        [nameof(PCacheSettings.CheckpointBytes)] = Whole((s, v) => s.CheckpointBytes = v),
        [nameof(PCacheSettings.CheckpointInterval)] = Span((s, v) => s.CheckpointInterval = v),
        [nameof(PCacheSettings.SpaceTimeout)] = Span((s, v) => s.SpaceTimeout = v),
        [nameof(PCacheSettings.LogReserveSegments)] = Whole((s, v) => s.LogReserveSegments = v),
        [nameof(PCacheSettings.DrainOnDispose)] = Flag((s, v) => s.DrainOnDispose = v),
        [nameof(PCacheSettings.DisposeTimeout)] = Span((s, v) => s.DisposeTimeout = v),
        [nameof(PCacheSettings.LeaveRegionOpen)] = Flag((s, v) => s.LeaveRegionOpen = v),
        [nameof(PCacheSettings.LeaveBackingOpen)] = Flag((s, v) => s.LeaveBackingOpen = v),
        [nameof(PCacheSettings.MaxIndexMemoryBytes)] = Whole64((s, v) => s.MaxIndexMemoryBytes = v),
    };

    /// <summary>
    /// Takes over what the section says. A setting without a value, or with an empty one, keeps what it has.
    /// </summary>
    public static void Bind(IConfiguration section, PCacheSettings settings)
    {
        if (section is IConfigurationSection named && Missing(named) is { } missing)
        {
            settings.Problems.Add(missing);
            settings.SectionIsMissing = true;
            return;
        }

        foreach (IConfigurationSection child in section.GetChildren())
        {
            if (!Entries.TryGetValue(child.Key, out Entry entry))
            {
                settings.Problems.Add(
                    $"{child.Path}: there is no such setting. There are {string.Join(", ", Entries.Keys)}.");
            }
            else if (child.GetChildren().Any())
            {
                settings.Problems.Add($"{child.Path} must be {entry.Allowed}, not a section.");
            }
            else if (!string.IsNullOrEmpty(child.Value) && !entry.TrySet(settings, child.Value))
            {
                settings.Problems.Add($"{child.Path} must be {entry.Allowed}, not '{child.Value}'.");
            }
        }
    }

    /// <summary>What is to be said of a section that isn't there, or isn't one; null: it is there.</summary>
    private static string? Missing(IConfigurationSection section)
    {
        if (section.GetChildren().Any())
        {
            return null;
        }

        return section.Value is { Length: > 0 } value
            ? $"the configuration's '{section.Path}' must be a section with settings (CachePath, BackingPath, ...), "
                + $"not the text '{value}'."
            : $"the configuration has no section '{section.Path}', or nothing is in it. Is the name right, and is the "
                + $"file that has it read (appsettings.json, say, is looked for in the content root)?";
    }

    private static bool SetPersistence(PCacheSettings settings, string text) =>
        SetName<Persistence>(settings, text, static (s, v) => s.Persistence = v);

    private static bool SetPersistOn(PCacheSettings settings, string text) =>
        SetName<PersistOn>(settings, text, static (s, v) => s.PersistOn = v);

    private static bool SetBackingConsistency(PCacheSettings settings, string text) =>
        SetName<BackingConsistency>(settings, text, static (s, v) => s.BackingConsistency = v);

    // Enum.TryParse takes numbers and lists too.
    private static bool SetName<T>(PCacheSettings settings, string text, Action<PCacheSettings, T> set)
        where T : struct, Enum =>
        Set(
            Enum.TryParse(text, ignoreCase: true, out T value)
                && string.Equals(value.ToString(), text, StringComparison.OrdinalIgnoreCase), settings, value, set);

    private static bool SetBackingIdentity(PCacheSettings settings, string text)
    {
        bool known = Guid.TryParse(text, out Guid value);
        settings.BackingIdentity = known ? value : settings.BackingIdentity;
        return known;
    }

    private static Entry Text(Action<PCacheSettings, string> set) => new("a text", (settings, text) =>
    {
        set(settings, text);
        return true;
    });

    private static Entry Flag(Action<PCacheSettings, bool> set) =>
        new("true or false", (settings, text) => Set(bool.TryParse(text, out bool value), settings, value, set));

    private static Entry Whole(Action<PCacheSettings, int> set) =>
        new(
            "a whole number", (settings, text) => Set(
                int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value),
                settings, value, set));

    private static Entry Whole64(Action<PCacheSettings, long> set) =>
        new(
            "a whole number", (settings, text) => Set(
                long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value),
                settings, value, set));

    // A bare number would be days, which is hardly ever what was meant.
    private static Entry Span(Action<PCacheSettings, TimeSpan> set) =>
        new("a time as in 00:00:05, or infinite", (settings, text) =>
        text.Equals("infinite", StringComparison.OrdinalIgnoreCase)
            ? Set(true, settings, Timeout.InfiniteTimeSpan, set)
            : Set(
                text.Contains(':', StringComparison.Ordinal) & TimeSpan.TryParse(
                    text, CultureInfo.InvariantCulture, out TimeSpan value), settings, value, set));

    private static bool Set<T>(bool known, PCacheSettings settings, T value, Action<PCacheSettings, T> set)
    {
        if (known)
        {
            set(settings, value);
        }

        return known;
    }

    private readonly record struct Entry(string Allowed, Func<PCacheSettings, string, bool> TrySet);
}
