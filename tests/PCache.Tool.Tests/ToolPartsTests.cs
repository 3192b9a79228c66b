using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using PCache.Tool.Bench;
using PCache.Tool.Demo;

namespace PCache.Tool.Tests;

/// <summary>The tool's small parts, without an engine.</summary>
public class ToolPartsTests
{
    [Fact]
    public void Histogram_is_exact_to_a_thirty_second() => Prop.ForAll<uint>(value =>
    {
        var histogram = new LatencyHistogram();
        histogram.Record(value);
        return Math.Abs(histogram.Percentile(0.5) - value) <= value / 32.0;
    }).QuickCheckThrowOnFailure();

    [Fact]
    public void Histogram_orders_and_merges()
    {
        var all = new LatencyHistogram();
        var other = new LatencyHistogram();
        for (int i = 0; i < 990; i++)
        {
            all.Record(10);
        }

        for (int i = 0; i < 10; i++)
        {
            other.Record(1_000_000);
        }

        all.Add(other);
        all.Record(-5);
        all.Record(long.MaxValue);
        Assert.Equal(1002, all.Count);
        Assert.Equal(10, all.Percentile(0.5));
        Assert.InRange(all.Percentile(0.995), 970_000, 1_030_000);
        Assert.Equal(0, all.Percentile(0));
        Assert.True(all.Percentile(1) > long.MaxValue / 2);
        Assert.Equal(0, new LatencyHistogram().Percentile(0.5));
    }

    [Theory]
    [InlineData(new[] { 3.0 }, 3.0)]
    [InlineData(new[] { 5.0, 1.0, 3.0 }, 3.0)]
    [InlineData(new[] { 4.0, 1.0, 3.0, 2.0 }, 2.5)]
    public void Median_is_the_middle(double[] values, double expected) =>
        Assert.Equal(expected, BenchRunner.Median(values));

    [Theory]
    [InlineData("randwrite")]
    [InlineData("read")]
    public void Offsets_are_blocks_of_the_range_and_repeat(string operation)
    {
        var pattern = new BenchPattern(operation, 4096);
        const long Length = 4096 * 100;
        var seen = new HashSet<long>();
        var offsets = new BenchOffsets(pattern, Length, 1, 2, 3);
        var again = new BenchOffsets(pattern, Length, 1, 2, 3);
        for (int i = 0; i < 2000; i++)
        {
            long offset = offsets.Next();
            Assert.Equal(offset, again.Next());
            Assert.InRange(offset, 0, Length - 4096);
            Assert.Equal(0, offset % 4096);
            seen.Add(offset);
        }

        Assert.Equal(100, seen.Count);
        Assert.Equal(operation + "-4k", pattern.Name);
    }

    [Fact]
    public void Throttle_passes_everything_on()
    {
        var inner = new MemoryDevice(8192);
        var device = new ThrottledDevice(inner, TimeSpan.Zero, TimeSpan.Zero, 1L << 40);
        device.Write(100, "hello"u8, WriteDurability.ForceUnitAccess);
        device.Flush();
        byte[] read = new byte[5];
        Assert.Equal(5, device.Read(100, read));
        Assert.Equal("hello"u8.ToArray(), read);
        device.WriteZeroes(100, 2);
        Assert.Equal(0, inner.Bytes[101]);
        Assert.Equal(1, inner.Flushes);
        Assert.Equal(8192, device.Length);
        device.Dispose();
        Assert.True(inner.IsDisposed);
    }

    [Fact]
    public async Task Throttle_passes_everything_on_asynchronously()
    {
        var inner = new MemoryDevice(8192);
        await using var device = new ThrottledDevice(inner, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(1),
            1L << 40);
        await device.WriteAsync(4000, new byte[] { 7, 8, 9 });
        await device.FlushAsync();
        byte[] read = new byte[3];
        Assert.Equal(3, await device.ReadAsync(4000, read));
        Assert.Equal([7, 8, 9], read);
        await device.WriteZeroesAsync(4000, 3);
        Assert.Equal(0, inner.Bytes[4002]);
        Assert.Equal(1, inner.Flushes);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
            await device.WriteAsync(0, new byte[1], cancellationToken: cancelled.Token));
    }

    [Fact]
    public void Reader_goes_around_damage()
    {
        var device = new MemoryDevice(10_000);
        var backing = new MemoryDevice(10_000);
        Array.Fill(device.Bytes, (byte)1);
        Array.Fill(backing.Bytes, (byte)2);
        device.Damaged.AddRange([new DeviceRange(5000, 500), new DeviceRange(1024, 512), new DeviceRange(1536, 512),
            new DeviceRange(9_900, 512)]);
        var zero = new DamageTolerantReader(device, null, stopAtDamage: false);
        var substitute = new DamageTolerantReader(device, backing, stopAtDamage: false);
        byte[] buffer = new byte[10_000];
        Assert.Equal(10_000, zero.Read(0, buffer));
        Assert.Equal([new DeviceRange(1024, 1024), new DeviceRange(5000, 500), new DeviceRange(9900, 100)],
            zero.Damaged);
        for (int i = 0; i < buffer.Length; i++)
        {
            bool isDamaged = i is (>= 1024 and < 2048) or (>= 5000 and < 5500) or >= 9900;
            Assert.Equal(isDamaged ? 0 : 1, buffer[i]);
        }

        Assert.Equal(500, substitute.Read(1300, buffer.AsSpan(0, 500)));
        Assert.All(buffer[..500], value => Assert.Equal(2, value));
        Assert.Equal([new DeviceRange(1300, 500)], substitute.Damaged);
    }

    [Fact]
    public void Reader_stops_at_the_first_damage()
    {
        var device = new MemoryDevice(10_000);
        device.Damaged.AddRange([new DeviceRange(5000, 500), new DeviceRange(1024, 512)]);
        var reader = new DamageTolerantReader(device, null, stopAtDamage: true);
        Assert.Equal(1024, reader.Read(0, new byte[10_000]));
        Assert.Equal([new DeviceRange(1024, 512)], reader.Damaged);
    }

    [Fact]
    public void Json_streams_whole_characters()
    {
        using var output = new StringWriter();
        string label = string.Concat(Enumerable.Repeat("\u20AC\U0001F600", 5000));
        JsonOutput.WriteObject(output, json =>
        {
            json.WriteStartArray("labels");
            for (int i = 0; i < 20; i++)
            {
                json.WriteStringValue(label);
                JsonOutput.FlushIfLarge(json);
            }

            json.WriteEndArray();
        });
        using JsonDocument document = JsonDocument.Parse(output.ToString());
        Assert.All(document.RootElement.GetProperty("labels").EnumerateArray(), element =>
            Assert.Equal(label, element.GetString()));
    }

    [Fact]
    public void Progress_is_for_terminals_only()
    {
        using var error = new StringWriter();
        ToolContext Context(bool terminal) =>
            new()
            {
                Out = TextWriter.Null,
                Error = error,
                OpenInput = () => Stream.Null,
                OpenOutput = () => Stream.Null,
                ShowProgress = terminal
            };
        using (var bar = new ProgressBar(Context(false), "reading"))
        {
            bar.Report(1, 2);
        }

        Assert.Empty(error.ToString());
        using (var bar = new ProgressBar(Context(true), "reading"))
        {
            bar.Report(1, 0);
            Assert.Empty(error.ToString());
            bar.Report(1024, 2048);
            Assert.Contains("50 % of 2.0 KiB", error.ToString(), StringComparison.Ordinal);
        }

        Assert.EndsWith(" \r", error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_defects_go_undescribed()
    {
        Assert.False(ErrorReport.TryDescribe(new InvalidOperationException("x"), out _, out _));
        Assert.True(ErrorReport.TryDescribe(new PCacheCorruptionException("a\nb"), out int code, out string message));
        Assert.Equal(ExitCode.Damage, code);
        Assert.StartsWith(@"a\nb. ", message, StringComparison.Ordinal);
    }
}
