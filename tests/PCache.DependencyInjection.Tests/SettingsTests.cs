// Keeps true: the settings are those of the library: all of them but what is left out for a reason, with the same names, types, defaults and ranges; each can be said in configuration.

using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.DependencyInjection.Tests;

/// <summary>Settings against the library's options.</summary>
public sealed class SettingsTests : IDisposable
{
    private static readonly Dictionary<string, string> LeftOut = new()
    {
        [nameof(PCacheOptions.CheckpointJournal)] = "an object; ConfigureOptions sets it",
        [nameof(PCacheOptions.OverwriteExisting)] = "a container opens or creates, and never destroys",
        [nameof(PCacheOptions.Maintenance)] = "by hand it is for deterministic tests; ConfigureOptions can",
        [nameof(PCacheOptions.TimeProvider)] = "the container's",
        [nameof(PCacheOptions.LoggerFactory)] = "the container's",
        [nameof(PCacheOptions.OpenProgress)] = "code; ConfigureOptions can",
        [nameof(PCacheOptions.CloseProgress)] = "code; ConfigureOptions can",
        [nameof(PCache.Core.Pmem.PmemFileOptions.UnixMode)] = "a new cache file gets the backing's rights; RegionFactory can",
        [nameof(PCache.Core.Pmem.PmemFileOptions.ModelPath)] = "the backing",
    };

    /// <summary>For each setting a text that isn't its default, and the value it stands for.</summary>
    private static readonly Dictionary<string, (string Text, object Value)> Samples = new()
    {
        [nameof(PCacheSettings.CachePath)] = ("a.img", "a.img"),
        [nameof(PCacheSettings.CacheLengthBytes)] = ("9000000000", 9_000_000_000L),
        [nameof(PCacheSettings.CreateIfMissing)] = ("false", false),
        [nameof(PCacheSettings.BackingPath)] = ("b.img", "b.img"),
        [nameof(PCacheSettings.OpenOnStart)] = ("False", false),
        [nameof(PCacheSettings.Persistence)] = ("assumed", Persistence.Assumed),
        [nameof(PCacheSettings.PersistOn)] = ("write", PersistOn.Write),
        [nameof(PCacheSettings.PowerSafe)] = ("true", true),
        [nameof(PCacheSettings.Prefault)] = ("true", true),
        [nameof(PCacheSettings.ReadOnly)] = ("true", true),
        [nameof(PCacheSettings.SegmentSizeBytes)] = ("131072", 131_072),
        [nameof(PCacheSettings.PayloadCrc)] = ("true", true),
        [nameof(PCacheSettings.GcThresholdPercent)] = ("50", 50),
        [nameof(PCacheSettings.Label)] = ("mail", "mail"),
        [nameof(PCacheSettings.BackingIdentity)] = ("5d3a4a3c-8d75-4f0e-9f60-0d5c9d1f4b11", new Guid("5d3a4a3c-8d75-4f0e-9f60-0d5c9d1f4b11")),
        [nameof(PCacheSettings.RebindBacking)] = ("true", true),
        [nameof(PCacheSettings.BackingFingerprintBlocks)] = ("32", 32),
        [nameof(PCacheSettings.CompareBackingAfterCrash)] = ("false", false),
        [nameof(PCacheSettings.AllowWithoutLock)] = ("true", true),
        [nameof(PCacheSettings.AcceptLostWrites)] = ("true", true),
        [nameof(PCacheSettings.VerifyReads)] = ("false", false),
        [nameof(PCacheSettings.CacheReads)] = ("false", false),
        [nameof(PCacheSettings.KsetTimeout)] = ("00:00:00.5", TimeSpan.FromSeconds(0.5)),
        [nameof(PCacheSettings.WritebackDelay)] = ("00:01:00", TimeSpan.FromMinutes(1)),
        [nameof(PCacheSettings.StartWritebackPaused)] = ("true", true),
        [nameof(PCacheSettings.WritebackConcurrency)] = ("3", 3),
        [nameof(PCacheSettings.WritebackGroupBytes)] = ("1048576", 1 << 20),
        [nameof(PCacheSettings.BackingConsistency)] = ("Checkpoint", BackingConsistency.Checkpoint),
        [nameof(PCacheSettings.CheckpointJournalPath)] = ("/fast/journal", "/fast/journal"),
        [nameof(PCacheSettings.CheckpointBytes)] = ("1048576", 1 << 20),
        [nameof(PCacheSettings.CheckpointInterval)] = ("00:00:02", TimeSpan.FromSeconds(2)),
        [nameof(PCacheSettings.SpaceTimeout)] = ("1.00:00:00", TimeSpan.FromDays(1)),
        [nameof(PCacheSettings.LogReserveSegments)] = ("4", 4),
        [nameof(PCacheSettings.DrainOnDispose)] = ("true", true),
        [nameof(PCacheSettings.DisposeTimeout)] = ("infinite", Timeout.InfiniteTimeSpan),
        [nameof(PCacheSettings.LeaveRegionOpen)] = ("true", true),
        [nameof(PCacheSettings.LeaveBackingOpen)] = ("true", true),
        [nameof(PCacheSettings.MaxIndexMemoryBytes)] = ("5000000000", 5_000_000_000L),
    };

    private readonly Places _places = new();

    public void Dispose() => _places.Dispose();

    [Fact]
    public void Every_option_of_the_library_is_a_setting_or_left_out_for_a_reason()
    {
        PropertyInfo[] options = [.. Settable(typeof(PCacheOptions)), .. Settable(typeof(PmemFileOptions))];
        Assert.True(options.Length > 25);
        foreach (PropertyInfo option in options)
        {
            PropertyInfo? setting = typeof(PCacheSettings).GetProperty(option.Name);
            Assert.True((setting is null) == LeftOut.ContainsKey(option.Name), $"{option.Name} is neither a setting nor left out, or both");
            Assert.True(setting is null || setting.PropertyType == option.PropertyType, $"{option.Name} has another type");
        }

        Assert.Empty(LeftOut.Keys.Except(options.Select(option => option.Name)));
    }

    [Fact]
    public void Defaults_are_the_librarys()
    {
        var settings = new PCacheSettings();
        AssertSame(settings, new PCacheOptions());
        AssertSame(settings, new PmemFileOptions());
    }

    [Fact]
    public void Every_setting_that_a_text_can_express_is_read_from_configuration()
    {
        string[] texts = [.. Settable(typeof(PCacheSettings)).Where(p => !typeof(Delegate).IsAssignableFrom(p.PropertyType)).Select(p => p.Name)];
        Assert.Equal(texts.Order(), Samples.Keys.Order());
        PCacheSettings settings = Configured(Samples.ToDictionary(sample => sample.Key, sample => (string?)sample.Value.Text), out IReadOnlyList<string> wrong);
        var defaults = new PCacheSettings();
        foreach ((string name, (_, object value)) in Samples)
        {
            PropertyInfo property = typeof(PCacheSettings).GetProperty(name)!;
            Assert.Equal(value, property.GetValue(settings));
            Assert.NotEqual(value, property.GetValue(defaults));
        }

        Assert.DoesNotContain(wrong, text => text.Contains("no such setting", StringComparison.Ordinal));
    }

    [Fact]
    public void Every_setting_reaches_the_device()
    {
        PCacheOptions? used = null;
        var services = new ServiceCollection();
        PCacheSettings? settings = null;
        services.AddPCache(s =>
        {
            foreach ((string name, (_, object value)) in Samples)
            {
                typeof(PCacheSettings).GetProperty(name)!.SetValue(s, value);
            }

            s.Persistence = Persistence.PageCache;
            s.CachePath = s.BackingPath = null;
            s.RegionFactory = _ => throw new InvalidOperationException("not reached");
            s.BackingFactory = _ => throw new InvalidOperationException("not reached");
            s.ConfigureOptions = (_, options) =>
            {
                used = options;
                throw new NotSupportedException("far enough");
            };
            settings = s;
        });
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Throws<NotSupportedException>(() => provider.GetRequiredService<PCacheDevice>());
        AssertSame(settings!, used!);
    }

    [Fact]
    public void All_that_is_wrong_in_configuration_is_told_at_once_with_names()
    {
        Configured(
            new Dictionary<string, string?>
            {
                ["CachePath"] = "a",
                ["BackingPath"] = "b",
                ["CacheLengthBytes"] = "128 MiB",
                ["PowerSafe"] = "yes",
                ["Persistence"] = "1",
                ["WritebackDelay"] = "5",
                ["Label:Sub"] = "x",
                ["WriteBackDelays"] = "00:00:05",
                ["WritebackConcurrency"] = "0",
                ["KsetTimeout"] = "infinite",
            },
            out IReadOnlyList<string> wrong);
        Assert.Collection(
            wrong.Order(StringComparer.Ordinal),
            text => Assert.StartsWith("Settings of cache 'x': CacheLengthBytes must be at least 67129344 (4 segments of 16777216 bytes)", text, StringComparison.Ordinal),
            text => Assert.Equal("Settings of cache 'x': KsetTimeout must be above zero, at most a day, not -00:00:00.0010000.", text),
            text => Assert.Equal("Settings of cache 'x': WritebackConcurrency must be 1 to 256, not 0.", text),
            text => Assert.Equal("Settings of cache 'x': c:CacheLengthBytes must be a whole number, not '128 MiB'.", text),
            text => Assert.Equal("Settings of cache 'x': c:Label must be a text, not a section.", text),
            text => Assert.Equal("Settings of cache 'x': c:Persistence must be PageCache, Dax or Assumed, not '1'.", text),
            text => Assert.Equal("Settings of cache 'x': c:PowerSafe must be true or false, not 'yes'.", text),
            text => Assert.StartsWith("Settings of cache 'x': c:WriteBackDelays: there is no such setting. There are CachePath,", text, StringComparison.Ordinal),
            text => Assert.Equal("Settings of cache 'x': c:WritebackDelay must be a time as in 00:00:05, or infinite, not '5'.", text));
    }

    [Fact]
    public void Empty_values_in_configuration_leave_what_is_there()
    {
        PCacheSettings settings = Configured(new Dictionary<string, string?> { ["WritebackDelay"] = "", ["SegmentSizeBytes"] = null, ["cachepath"] = "a" }, out _);
        Assert.Equal(TimeSpan.FromSeconds(5), settings.WritebackDelay);
        Assert.Null(settings.SegmentSizeBytes);
        Assert.Equal("a", settings.CachePath);
    }

    public static TheoryData<string, string, bool> Ranges
    {
        get
        {
            var data = new TheoryData<string, string, bool>();
            foreach ((string name, string[] good, string[] bad) in (IEnumerable<(string, string[], string[])>)
            [
                (nameof(PCacheSettings.SegmentSizeBytes), ["65536", "131072"], ["32768", "65537", "33554432"]),
                (nameof(PCacheSettings.GcThresholdPercent), ["0", "90"], ["-1", "91"]),
                (nameof(PCacheSettings.BackingFingerprintBlocks), ["0", "4096"], ["-1", "4097"]),
                (nameof(PCacheSettings.KsetTimeout), ["00:00:00.0000001", "1.00:00:00"], ["00:00:00", "1.00:00:00.0000001", "infinite"]),
                (nameof(PCacheSettings.WritebackDelay), ["00:00:00", "30.00:00:00"], ["-00:00:00.0010000", "30.00:00:01"]),
                (nameof(PCacheSettings.WritebackConcurrency), ["1", "256"], ["0", "257"]),
                (nameof(PCacheSettings.WritebackGroupBytes), ["65536", "1073741824"], ["65535", "1073741825"]),
                (nameof(PCacheSettings.CheckpointBytes), ["65536", "1073741824"], ["65535", "1073741825"]),
                (nameof(PCacheSettings.CheckpointInterval), ["00:00:00", "30.00:00:00"], ["-00:00:01", "30.00:00:01"]),
                (nameof(PCacheSettings.SpaceTimeout), ["00:00:00", "30.00:00:00", "infinite"], ["-00:00:01", "30.00:00:01"]),
                (nameof(PCacheSettings.DisposeTimeout), ["00:00:00", "30.00:00:00", "infinite"], ["-00:00:01", "30.00:00:01"]),
                (nameof(PCacheSettings.LogReserveSegments), ["1", "64"], ["0", "65"]),
                (nameof(PCacheSettings.MaxIndexMemoryBytes), ["400000"], ["262143", "-1"]),
                (nameof(PCacheSettings.Label), [new string('ä', 32)], [new string('ä', 32) + "b", "a\0b"]),
            ])
            {
                Array.ForEach(good, text => data.Add(name, text, true));
                Array.ForEach(bad, text => data.Add(name, text, false));
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Ranges))]
    public void Ranges_are_the_librarys(string name, string text, bool good)
    {
        var values = new Dictionary<string, string?> { ["SegmentSizeBytes"] = "65536", ["CreateIfMissing"] = "false", ["CachePath"] = "a", ["BackingPath"] = "b", [name] = text };
        PCacheSettings settings = Configured(values, out IReadOnlyList<string> wrong);
        Assert.Equal(good, wrong.Count == 0);
        Assert.All(wrong, message => Assert.Contains($"{name} must be ", message, StringComparison.Ordinal));

        // The library's own verdict, on a cache in memory.
        var options = new PCacheOptions { SegmentSizeBytes = 65536, StartWritebackPaused = true, DisposeTimeout = TimeSpan.FromSeconds(1) };
        typeof(PCacheOptions).GetProperty(name)!.SetValue(options, typeof(PCacheSettings).GetProperty(name)!.GetValue(settings));
        using PmemRegion region = PmemMemory.Allocate((20 << 10) + (70L * 131_072));
        if (good)
        {
            PCacheDevice.Create(region, BlockDevice.FromMemory(1 << 20), options with { LeaveRegionOpen = true }).Dispose();
        }
        else
        {
            Assert.Contains($"{name} must be ", Assert.Throws<ArgumentOutOfRangeException>(() => PCacheDevice.Create(region, BlockDevice.FromMemory(1 << 20), options)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_new_cache_that_would_be_too_short_is_refused_before_its_file_is_made()
    {
        var services = new ServiceCollection();
        services.AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.CacheLengthBytes = (20 << 10) + (4 * Places.SegmentBytes) - 1;
        });
        using ServiceProvider provider = services.BuildServiceProvider();
        OptionsValidationException error = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<PCacheDevice>());
        Assert.Equal("The cache's settings: CacheLengthBytes must be at least 282624 (4 segments of 65536 bytes), for a cache that isn't there yet; or set CreateIfMissing to false.", Assert.Single(error.Failures));
        Assert.False(File.Exists(_places.CachePath));
    }

    [Fact]
    public void Places_that_are_missing_or_doubled_are_told()
    {
        string[] missing = Failures(_ => { });
        Assert.Contains(missing, text => text.Contains("CachePath must be", StringComparison.Ordinal));
        Assert.Contains(missing, text => text.Contains("BackingPath must be", StringComparison.Ordinal));
        string[] doubled = Failures(settings =>
        {
            _places.Apply(settings);
            settings.RegionFactory = _ => PmemMemory.Allocate(Places.CacheBytes);
            settings.BackingFactory = _ => BlockDevice.FromMemory(1 << 20);
        });
        Assert.Contains(doubled, text => text.Contains("CachePath and RegionFactory", StringComparison.Ordinal));
        Assert.Contains(doubled, text => text.Contains("BackingPath and BackingFactory", StringComparison.Ordinal));
        string[] others = Failures(settings =>
        {
            _places.Apply(settings);
            settings.LeaveBackingOpen = settings.LeaveRegionOpen = settings.PowerSafe = true;
            settings.Persistence = Persistence.Assumed;
        });
        Assert.Equal(3, others.Length);
        Assert.Contains(Failures(settings => settings.Persistence = Persistence.Volatile), text => text.Contains("Persistence must be", StringComparison.Ordinal));
    }

    private static string[] Failures(Action<PCacheSettings> configure)
    {
        var services = new ServiceCollection();
        services.AddPCache(configure);
        using ServiceProvider provider = services.BuildServiceProvider();
        return [.. Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<PCacheDevice>()).Failures];
    }

    /// <summary>Settings as bound, whatever is wrong with them.</summary>
    private static PCacheSettings Configured(Dictionary<string, string?> values, out IReadOnlyList<string> wrong)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(values.Select(pair => KeyValuePair.Create("c:" + pair.Key, pair.Value))).Build();
        PCacheSettings? bound = null;
        var services = new ServiceCollection();
        services.AddPCache("x", configuration.GetSection("c"), settings => bound = settings);
        using ServiceProvider provider = services.BuildServiceProvider();
        try
        {
            provider.GetRequiredService<IOptionsMonitor<PCacheSettings>>().Get("x");
            wrong = [];
        }
        catch (OptionsValidationException e)
        {
            wrong = [.. e.Failures];
        }

        return bound!;
    }

    private static PropertyInfo[] Settable(Type type) => [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.SetMethod is { IsPublic: true })];

    private static void AssertSame(PCacheSettings settings, object options)
    {
        foreach (PropertyInfo option in Settable(options.GetType()))
        {
            if (typeof(PCacheSettings).GetProperty(option.Name) is { } setting)
            {
                object? expected = setting.GetValue(settings);
                object? actual = option.GetValue(options);
                Assert.True(Equals(expected, actual), string.Create(CultureInfo.InvariantCulture, $"{option.Name}: {expected} and {actual}"));
            }
        }
    }
}
