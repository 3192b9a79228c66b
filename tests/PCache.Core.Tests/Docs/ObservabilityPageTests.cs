// Keeps true: the tables of docs/observability.md are what the code has: states, instruments with kind, unit and
// attribute values, messages with their levels.

using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using PCache.Core.Diagnostics;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Docs;

/// <summary>The observability page against code.</summary>
public sealed partial class ObservabilityPageTests
{
    private static readonly string Page =
        File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "observability.md"));

    [Fact]
    public void The_state_example_runs()
    {
        using var cache = new SmallCache();
        PCacheDevice device = cache.Device;
        using var alerted = new ManualResetEventSlim();
        void alert(string text)
        {
            Assert.StartsWith("write-back stalled (BackingFailing) since ", text, StringComparison.Ordinal);
            alerted.Set();
        }

        // example: state
        device.StateChanged += (_, change) =>
        {
            if (change.Current.Condition >= PCacheCondition.WritebackStalled)
            {
                alert(change.Current.ToString()); // "write-back stalled (BackingFailing) since ...: ..."
            }
        };
        PCacheState now = device.State;
        // end of example

        Assert.Equal(PCacheCondition.Clean, now.Condition);
        cache.Backing.FailWhere(_ => new IOException("planned"));
        device.Write(0, new byte[512]);
        Assert.ThrowsAny<IOException>(() => device.Drain());
        cache.Backing.BeforeCall = null;
        Assert.True(alerted.Wait(TestRuns.HangLimit));
    }

    [Theory]
    [InlineData(typeof(PCacheCondition))]
    [InlineData(typeof(WritebackStall))]
    [InlineData(typeof(Degradations))]
    public void Every_state_is_in_its_table_in_order(Type type)
    {
        string section = Section("State");
        string table = type == typeof(PCacheCondition) ? "Condition"
            : type == typeof(WritebackStall) ? "Stall"
            : "Degradation";
        int at = section.IndexOf($"| `{table}` |", StringComparison.Ordinal);
        int end = section.IndexOf("\n\n", at, StringComparison.Ordinal);
        Assert.Equal(Enum.GetNames(type),
            FirstColumn().Matches(section[at..end]).Skip(1).Select(m => m.Groups["name"].Value));
    }

    [Fact]
    public void Every_instrument_is_in_the_table_with_kind_and_unit()
    {
        using var cache = new SmallCache(); // the meter is made when it is first used
        var found = new SortedSet<string>(StringComparer.Ordinal);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, _) =>
            {
                if (instrument.Meter.Name == PCacheDiagnostics.MeterName)
                {
                    lock (found)
                    {
                        found.Add($"{instrument.Name} {Kind(instrument)} {instrument.Unit}");
                    }
                }
            },
        };
        listener.Start();
        var named = new SortedSet<string>(Section("Metrics").Split('\n')
            .Where(l => l.StartsWith("| `pcache.", StringComparison.Ordinal)).Select(line =>
        {
            string[] cells = [.. line.Split('|').Select(c => c.Trim(' ', '`'))];
            return $"{cells[1]} {cells[2]} {cells[3]}";
        }), StringComparer.Ordinal);
        Assert.Equal(found, named);
    }

    [Fact]
    public void Every_attribute_value_is_in_the_table()
    {
        using var cache = new SmallCache();
        string id = cache.Status.CacheId.ToString();
        var values = new HashSet<string>(ErrorKind.All);
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == PCacheDiagnostics.MeterName && instrument.IsObservable)
                {
                    l.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<long>((_, _, tags, _) =>
        {
            bool mine = false;
            foreach (KeyValuePair<string, object?> tag in tags)
            {
                mine |= tag.Value as string == id;
            }

            foreach (KeyValuePair<string, object?> tag in tags)
            {
                if (mine && tag.Value is string value && value != id)
                {
                    values.Add($"`{tag.Key}`");
                    values.Add(value);
                }
            }
        });
        listener.Start();
        listener.RecordObservableInstruments();
        Assert.True(values.Count > 20);
        string section = Section("Metrics");
        Assert.All(values, value => Assert.Contains(value, section, StringComparison.Ordinal));
    }

    [Fact]
    public void Every_message_is_in_the_table_with_its_level()
    {
        string[] messages =
        [
            .. typeof(Messages).GetMethods(BindingFlags.Static | BindingFlags.Public)
                .Select(m => m.GetCustomAttribute<LoggerMessageAttribute>())
                .Where(a => a is not null)
                .OrderBy(a => a!.EventId)
                .Select(a =>
                    $"{a!.EventId} "
                    + $"{a.Level}{(a.Message.Contains("{Suppressed}", StringComparison.Ordinal) ? " limited" : "")}"),
        ];
        Assert.True(messages.Length > 15);
        Assert.Equal(messages, MessageRow().Matches(Section("Log messages")).Select(m =>
            $"{m.Groups["id"].Value} "
                + m.Groups["level"].Value
                + (m.Groups["text"].Value.EndsWith("; limited", StringComparison.Ordinal) ? " limited" : "")));
    }

    private static string Kind(Instrument instrument) => instrument.GetType().Name.Split('`')[0] switch
    {
        "ObservableCounter" or "Counter" => "counter",
        "ObservableUpDownCounter" => "up-down counter",
        "ObservableGauge" => "gauge",
        string other => other.ToLowerInvariant(),
    };

    private static string Section(string heading)
    {
        string page = Page.ReplaceLineEndings("\n");
        int start = page.IndexOf($"\n## {heading}\n", StringComparison.Ordinal);
        int end = page.IndexOf("\n## ", start + 1, StringComparison.Ordinal);
        return page[start..(end < 0 ? page.Length : end)];
    }

    [GeneratedRegex(@"^\| `(?<name>\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex FirstColumn();

    [GeneratedRegex(@"^\| (?<id>\d+) \| (?<level>\w+) \| (?<text>.*?) \|$", RegexOptions.Multiline)]
    private static partial Regex MessageRow();
}
