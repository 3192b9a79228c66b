// Keeps true: a chart is one well-formed XML document that needs nothing else; every series is in it by name, with all
// its points; axes begin and end at round numbers.
using System.Globalization;
using System.Text;
using System.Xml;
using PCache.Benchmarks.Scenarios;

namespace PCache.Benchmarks.Report;

/// <summary>Draws line charts as SVG.</summary>
internal sealed class SvgChart
{
    private const double Width = 860;
    private const double Left = 84;
    private const double Right = 24;
    private const double Top = 48;
    private const double PlotHeight = 340;
    private const double LegendRow = 20;
    private const int LegendColumns = 3;
    private static readonly string[] Colors =
        ["#1f5fbf", "#d1495b", "#2a9d5c", "#e08e1b", "#7a4fb5", "#138a9e", "#8c6239", "#666666"];

    private readonly BenchChart _chart;
    private readonly SvgAxis _x;
    private readonly SvgAxis _y;
    private readonly XmlWriter _svg;

    private SvgChart(BenchChart chart, XmlWriter svg)
    {
        _chart = chart;
        _svg = svg;
        (double X, double Y)[] points = [.. chart.Series.SelectMany(series => series.Points)];
        _x = new SvgAxis(points.Select(point => point.X), chart.LogX, fromZero: false, chart.SizesOnX);
        _y = new SvgAxis(points.Select(point => point.Y), chart.LogY, fromZero: !chart.LogY, sizes: false);
    }

    /// <summary>The document.</summary>
    public static string Draw(BenchChart chart)
    {
        var text = new StringBuilder();
        using (var svg = XmlWriter.Create(text,
            new XmlWriterSettings { Indent = true, OmitXmlDeclaration = true, NewLineChars = "\n" }))
        {
            new SvgChart(chart, svg).Draw();
        }

        return text.Append('\n').ToString();
    }

    private static string Number(double value) => Math.Round(value, 2).ToString(CultureInfo.InvariantCulture);

    private double X(double value) => Left + (_x.Place(value) * (Width - Left - Right));

    private double Y(double value) => Top + ((1 - _y.Place(value)) * PlotHeight);

    private void Draw()
    {
        int legendRows = (_chart.Series.Count + LegendColumns - 1) / LegendColumns;
        double height = Top + PlotHeight + 62 + (legendRows * LegendRow);
        _svg.WriteStartElement("svg", "http://www.w3.org/2000/svg");
        Attributes(("viewBox", $"0 0 {Number(Width)} {Number(height)}"), ("width", Number(Width)),
            ("height", Number(height)), ("font-family", "Helvetica, Arial, sans-serif"), ("font-size", "13"));
        Element("rect", ("width", "100%"), ("height", "100%"), ("fill", "#ffffff"));
        Text(Left, 26, _chart.Title, "start", ("font-size", "16"), ("font-weight", "bold"), ("fill", "#222222"));
        DrawGrid();
        for (int i = 0; i < _chart.Series.Count; i++)
        {
            DrawSeries(_chart.Series[i], Colors[i % Colors.Length]);
            DrawLegend(i, Top + PlotHeight + 66);
        }

        _svg.WriteEndElement();
    }

    private void DrawGrid()
    {
        double bottom = Top + PlotHeight;
        foreach (double tick in _x.Ticks)
        {
            Element("line", ("x1", Number(X(tick))), ("y1", Number(Top)), ("x2", Number(X(tick))),
                ("y2", Number(bottom)), ("stroke", "#e4e4e4"));
            Text(X(tick), bottom + 18, _x.Label(tick), "middle", ("fill", "#444444"));
        }

        foreach (double tick in _y.Ticks)
        {
            Element("line", ("x1", Number(Left)), ("y1", Number(Y(tick))), ("x2", Number(Width - Right)),
                ("y2", Number(Y(tick))), ("stroke", "#e4e4e4"));
            Text(Left - 8, Y(tick) + 4, _y.Label(tick), "end", ("fill", "#444444"));
        }

        Element("path", ("d", $"M{Number(Left)} {Number(Top)}V{Number(bottom)}H{Number(Width - Right)}"),
            ("fill", "none"), ("stroke", "#444444"));
        Text((Left + Width - Right) / 2, bottom + 40, _chart.XTitle, "middle", ("fill", "#222222"));
        Text(18, Top + (PlotHeight / 2), _chart.YTitle, "middle",
            ("transform", $"rotate(-90 18 {Number(Top + (PlotHeight / 2))})"), ("fill", "#222222"));
    }

    private void DrawSeries(BenchSeries series, string color)
    {
        if (series.Points.Count == 0)
        {
            return;
        }

        string points = string.Join(' ', series.Points.Select(point => Number(X(point.X)) + "," + Number(Y(point.Y))));
        _svg.WriteStartElement("polyline");
        Attributes(("points", points), ("fill", "none"), ("stroke", color), ("stroke-width", "2"),
            ("stroke-linejoin", "round"));
        if (series.Dashed)
        {
            Attributes(("stroke-dasharray", "6 4"));
        }

        _svg.WriteElementString("title", series.Name);
        _svg.WriteEndElement();

        // Marks where there is room for them.
        foreach ((double x, double y) in series.Points.Count <= 30 ? series.Points : [])
        {
            Element("circle", ("cx", Number(X(x))), ("cy", Number(Y(y))), ("r", "3"), ("fill", color));
        }
    }

    private void DrawLegend(int index, double top)
    {
        BenchSeries series = _chart.Series[index];
        double x = Left + (index % LegendColumns * (Width - Left - Right) / LegendColumns);
        double y = top + (index / LegendColumns * LegendRow);
        _svg.WriteStartElement("line");
        Attributes(("x1", Number(x)), ("y1", Number(y)), ("x2", Number(x + 26)), ("y2", Number(y)),
            ("stroke", Colors[index % Colors.Length]), ("stroke-width", "2"));
        if (series.Dashed)
        {
            Attributes(("stroke-dasharray", "6 4"));
        }

        _svg.WriteEndElement();
        Text(x + 32, y + 4, series.Name, "start", ("fill", "#222222"));
    }

    private void Text(double x, double y, string text, string anchor, params (string Name, string Value)[] more)
    {
        _svg.WriteStartElement("text");
        Attributes(("x", Number(x)), ("y", Number(y)), ("text-anchor", anchor));
        Attributes(more);
        _svg.WriteString(text);
        _svg.WriteEndElement();
    }

    private void Element(string name, params (string Name, string Value)[] attributes)
    {
        _svg.WriteStartElement(name);
        Attributes(attributes);
        _svg.WriteEndElement();
    }

    private void Attributes(params (string Name, string Value)[] attributes)
    {
        foreach ((string name, string value) in attributes)
        {
            _svg.WriteAttributeString(name, value);
        }
    }
}
