// Keeps true: a scenario's figures are said once; the text for people, the JSON, the page and the charts are all made
// of them.
using System.Globalization;
using System.Text.Json;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>A column of a table.</summary>
/// <param name="Name">JSON name, such as "opsPerSecond".</param>
/// <param name="Title">For people, with the unit.</param>
/// <param name="Digits">Behind the point.</param>
internal sealed record BenchColumn(string Name, string Title, int Digits = 0);

/// <summary>A table of texts, numbers (double) and nulls.</summary>
internal sealed record BenchTable(string Name, string Title, IReadOnlyList<BenchColumn> Columns)
{
    private readonly List<object?[]> _rows = [];

    public IReadOnlyList<object?[]> Rows => _rows;

    public void Add(params object?[] cells)
    {
        if (cells.Length != Columns.Count)
        {
            throw new ArgumentException($"A row of {Name} has {cells.Length} cells, not {Columns.Count}.",
                nameof(cells));
        }

        _rows.Add([.. cells.Select(cell =>
            cell is int or long ? Convert.ToDouble(cell, CultureInfo.InvariantCulture) : cell)]);
    }

    /// <summary>A cell as people read it.</summary>
    public string Text(int row, int column) => _rows[row][column] switch
    {
        null => "-",
        double number when double.IsFinite(number) =>
            number.ToString("N" + Columns[column].Digits, CultureInfo.InvariantCulture),
        double => "-",
        object text => text.ToString()!,
    };

    /// <summary>Whether a column holds numbers, which are set to the right.</summary>
    public bool IsNumeric(int column) =>
        _rows.TrueForAll(row => row[column] is double or null) && _rows.Exists(row => row[column] is double);
}

/// <summary>A line of a chart.</summary>
internal sealed record BenchSeries(string Name, IReadOnlyList<(double X, double Y)> Points, bool Dashed = false);

/// <summary>A chart.</summary>
/// <param name="Name">File name without extension.</param>
/// <param name="Title">Heading.</param>
/// <param name="XTitle">Of the horizontal axis, with the unit.</param>
/// <param name="YTitle">Of the vertical axis, with the unit.</param>
/// <param name="Series">The lines.</param>
internal sealed record BenchChart(string Name, string Title, string XTitle, string YTitle,
    IReadOnlyList<BenchSeries> Series)
{
    public bool LogX { get; init; }

    public bool LogY { get; init; }

    /// <summary>Bytes on the horizontal axis: labels as "4K".</summary>
    public bool SizesOnX { get; init; }
}

/// <summary>What a scenario found.</summary>
internal sealed record ScenarioResult(string Name, string About, IReadOnlyList<BenchTable> Tables,
    IReadOnlyList<BenchChart> Charts)
{
    /// <summary>What has to be known to read the figures, or what couldn't be measured.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>For the terminal.</summary>
    public IEnumerable<string> Lines()
    {
        yield return $"{Name}: {About}";
        foreach (BenchTable table in Tables)
        {
            yield return string.Empty;
            yield return table.Title;
            int[] widths = [.. table.Columns.Select(
                (column, c) => Math.Max(column.Title.Length,
                table.Rows.Select((_, r) => table.Text(r, c).Length).DefaultIfEmpty().Max()))];
            yield return Row(c => table.Columns[c].Title);
            for (int row = 0; row < table.Rows.Count; row++)
            {
                int current = row;
                yield return Row(c => table.Text(current, c));
            }

            string Row(Func<int, string> cell) => "  " + string.Join(
                "  ", Enumerable.Range(0, widths.Length)
                    .Select(c => table.IsNumeric(c) ? cell(c).PadLeft(widths[c]) : cell(c).PadRight(widths[c])))
                    .TrimEnd();
        }

        foreach (string note in Notes)
        {
            yield return "  note: " + note;
        }

        yield return string.Empty;
    }

    /// <summary>Writes the array <c>scenarios</c>.</summary>
    public static void Write(Utf8JsonWriter json, IReadOnlyList<ScenarioResult> scenarios)
    {
        json.WriteStartArray("scenarios");
        foreach (ScenarioResult scenario in scenarios)
        {
            json.WriteStartObject();
            json.WriteString("name", scenario.Name);
            json.WriteString("about", scenario.About);
            json.WriteStartArray("notes");
            foreach (string note in scenario.Notes)
            {
                json.WriteStringValue(note);
            }

            json.WriteEndArray();
            json.WriteStartObject("tables");
            foreach (BenchTable table in scenario.Tables)
            {
                WriteTable(json, table);
            }

            json.WriteEndObject();
            json.WriteStartObject("charts");
            foreach (BenchChart chart in scenario.Charts)
            {
                WriteChart(json, chart);
            }

            json.WriteEndObject();
            json.WriteEndObject();
            JsonOutput.FlushIfLarge(json);
        }

        json.WriteEndArray();
    }

    private static void WriteTable(Utf8JsonWriter json, BenchTable table)
    {
        json.WriteStartArray(table.Name);
        foreach (object?[] row in table.Rows)
        {
            json.WriteStartObject();
            for (int column = 0; column < row.Length; column++)
            {
                if (row[column] is string text)
                {
                    json.WriteString(table.Columns[column].Name, text);
                }
                else
                {
                    BenchOutput.WriteNumber(json, table.Columns[column].Name, (double?)row[column]);
                }
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteChart(Utf8JsonWriter json, BenchChart chart)
    {
        json.WriteStartObject(chart.Name);
        foreach (BenchSeries series in chart.Series)
        {
            json.WriteStartArray(series.Name);
            foreach ((double x, double y) in series.Points)
            {
                json.WriteStartArray();
                json.WriteNumberValue(Math.Round(x, 4));
                json.WriteNumberValue(Math.Round(y, 4));
                json.WriteEndArray();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }
}
