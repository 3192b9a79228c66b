using System.Globalization;
using System.Xml.Linq;
using PCache.Benchmarks.Compare;
using PCache.Benchmarks.Report;
using PCache.Benchmarks.Scenarios;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Tests;

/// <summary>The parts that comparisons and charts are made of.</summary>
public sealed class PartsTests
{
    private const string FioOutput = """
        fio: a warning before the document
        {
          "jobs" : [ {
            "error" : 0,
            "read" : { "iops" : 0.0, "lat_ns" : { "mean" : 0.0 }, "clat_ns" : { "mean" : 0.0 } },
            "write" : { "iops" : 1000.5, "lat_ns" : { "mean" : 900.25 },
              "clat_ns" : { "percentile" : { "50.000000" : 700, "99.000000" : 2000, "99.900000" : 3000 } } }
          } ]
        }
        """;

    [Fact]
    public void A_paced_device_keeps_content()
    {
        using var device = new PacedDevice(new MemoryBacking(8192), 1e9, TimeSpan.FromMicroseconds(1));
        byte[] data = [1, 2, 3, 4];
        device.Write(4096, data);
        device.Flush();
        byte[] read = new byte[4];
        Assert.Equal(4, device.Read(4096, read));
        Assert.Equal(data, read);
        Assert.Equal(2, device.Read(8190, read));
    }

    [Fact]
    public void Fio_lines_come_from_its_document()
    {
        BenchTable table = FioTable();
        Assert.True(FioPeer.TryAdd(FioOutput, "psync", "randwrite", table));
        Assert.Equal(["psync", "randwrite", 1000.5, 900.25, 700.0, 2000.0, 3000.0], Assert.Single(table.Rows));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no such engine")]
    [InlineData("{ broken")]
    [InlineData("{ \"jobs\" : [] }")]
    [InlineData("{ \"jobs\" : [ { \"error\" : 95, \"write\" : { \"clat_ns\" : {} } } ] }")]
    public void What_fio_cannot_do_is_no_line(string output)
    {
        BenchTable table = FioTable();
        Assert.False(FioPeer.TryAdd(output, "psync", "randwrite", table));
        Assert.Empty(table.Rows);
    }

    [Fact]
    public void A_chart_is_xml_with_every_series_axis_and_point()
    {
        BenchSeries[] series = [new("first <&>", [(512, 1), (4096, 30), (65536, 2)]),
            new("bound", [(512, 5), (4096, 4)], Dashed: true)];
        BenchChart chart = new("c", "A & B <title>", "block size", "rate, 1/s", series)
        {
            LogX = true,
            SizesOnX = true
        };
        XElement svg = XDocument.Parse(SvgChart.Draw(chart)).Root!;
        XNamespace ns = "http://www.w3.org/2000/svg";
        string[] texts = [.. svg.Elements(ns + "text").Select(text => text.Value)];
        foreach (string text in (string[])["A & B <title>", "block size", "rate, 1/s", "first <&>", "bound", "512",
            "64K", "0", "30"])
        {
            Assert.Contains(text, texts);
        }

        XElement[] lines = [.. svg.Elements(ns + "polyline")];
        Assert.Equal([3, 2], lines.Select(line => line.Attribute("points")!.Value.Split(' ').Length));
        Assert.NotNull(lines[1].Attribute("stroke-dasharray"));
        Assert.Equal(5, svg.Elements(ns + "circle").Count());
        double width = Number(svg, "width");
        double height = Number(svg, "height");
        Assert.All(svg.Elements(ns + "circle"),
            mark => Assert.True(Number(mark, "cx") > 0 && Number(mark, "cx") < width && Number(mark, "cy") > 0
            && Number(mark, "cy") < height));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Axes_hold_every_value_whatever_it_is(bool log, bool sizes)
    {
        double[][] cases = [[], [0], [5], [-3, 7], [1e-9, 1e12], [512, 1048576], [0.001, 0.001], [double.NaN, 3],
            [99, 100, 101]];
        foreach (double[] values in cases)
        {
            var axis = new SvgAxis(values, log, fromZero: false, sizes);
            Assert.True(axis.Ticks.Count >= 2, string.Join(' ', values));
            Assert.Equal(axis.Ticks.Distinct().Order(), axis.Ticks);
            Assert.All(axis.Ticks, tick => Assert.NotEmpty(axis.Label(tick)));
            Assert.All(values, value => Assert.InRange(axis.Place(value), 0, 1));
            double[] ordinary = [.. values.Where(value => double.IsFinite(value) && (!log || value > 0)).Order()];
            Assert.Equal(ordinary.Select(axis.Place), ordinary.Select(axis.Place).Order());
            Assert.True(ordinary.Length == 0 || sizes
                || (ordinary[0] >= axis.Ticks[0] * (1 - 1e-6) - 1e-12 && ordinary[^1] <= axis.Ticks[^1] * (1 + 1e-6)));
        }
    }

    private static double Number(XElement element, string attribute) =>
        double.Parse(element.Attribute(attribute)!.Value, CultureInfo.InvariantCulture);

    private static BenchTable FioTable() =>
        new("fio", "fio", [.. Enumerable.Range(0, 7)
        .Select(i => new BenchColumn("c" + i.ToString(CultureInfo.InvariantCulture), "c"))]);
}
