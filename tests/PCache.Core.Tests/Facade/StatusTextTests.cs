using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>A status as text: every property, readable, on one line.</summary>
public sealed class StatusTextTests
{
    [Fact]
    public void Every_property_is_in_it_and_ranges_can_be_read()
    {
        using var cache = new SmallCache(with: o => o with { Label = "mail\n\u001b[31mcache" });
        PCacheStatus status = cache.Status with
        {
            DamagedRanges = [.. Enumerable.Range(0, 20).Select(i => new DeviceRange(i * 8192, 512))],
            WritebackError = new IOException("No space\nleft."),
        };
        string text = status.ToString();
        foreach (System.Reflection.PropertyInfo property in typeof(PCacheStatus).GetProperties())
        {
            Assert.Contains($"{property.Name} = ", text, StringComparison.Ordinal);
        }

        Assert.Contains("DamagedRanges = [0+512, 8192+512, ", text, StringComparison.Ordinal);
        Assert.Contains("122880+512, and 4 more]", text, StringComparison.Ordinal);
        Assert.Contains("WritebackError = IOException: No space\\u000aleft.", text, StringComparison.Ordinal);
        Assert.Contains("Label = \"mail\\u000a\\u001b[31mcache\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("List", text, StringComparison.Ordinal);
        Assert.DoesNotContain(text, char.IsControl);
        Assert.Contains("DamagedRanges = []", cache.Status.ToString(), StringComparison.Ordinal);
        Assert.Contains("WritebackError = none", cache.Status.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_range_is_offset_and_length() => Assert.Equal("4096+512", new DeviceRange(4096, 512).ToString());
}
