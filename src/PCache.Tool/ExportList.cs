// Keeps true: what is written here is read back here, exactly; a list with anything else in it is refused before
// anything is applied. A file name stands in a comment only, escaped, so that it can't make a line; in a list from
// before that was so, a line that came out of a name stands before the line that names the columns, or that line is
// there twice: refused.
using System.Globalization;
using System.Text.Json;
using PCache.Core.Files;
using PCache.Core.Inspection;

namespace PCache.Tool;

/// <summary>One range of an export.</summary>
/// <param name="Offset">First byte on the device.</param>
/// <param name="LengthBytes">Length in bytes.</param>
/// <param name="State">How far it can be trusted.</param>
/// <param name="IsDirty">Whether the backing may lack it.</param>
internal readonly record struct ExportedRange(long Offset, long LengthBytes, RescueState State, bool IsDirty);

/// <summary>The list that goes with an export, as text and as JSON.</summary>
internal static class ExportList
{
    private const int Columns = 7;
    private const string FirstLine = "# pcache export of ";
    private const string Header = "# offset length state kind place cache-offset checksum";

    public static void WriteText(TextWriter output, string cachePath, RescueImage image, RescueExtent[] extents)
    {
        output.WriteLine(FirstLine + SafeText.Of(cachePath));
        output.WriteLine(Header);
        foreach (RescueExtent extent in extents)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{extent.Offset} {extent.LengthBytes} {RescueOutput.Name(extent.State)} "
                + $"{(extent.IsDirty ? "dirty" : "clean")} {extent.Place} {extent.CacheOffset} "
                + $"{Checksum(extent.ChecksumFits)}"));
        }

        foreach (RescueHole hole in image.Holes)
        {
            output.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"# hole in the log at {hole.Position}: {hole.LengthBytes} "
                    + $"bytes, at most {hole.MaxKeys} keys, {(hole.IsDirty ? "dirty" : "written back")}"));
        }

        foreach (PCache.Core.DeviceRange lost in image.Lost)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"# lost: {lost.Offset} {lost.LengthBytes}"));
        }
    }

    public static void WriteJson(Utf8JsonWriter json, string cachePath, RescueImage image, RescueExtent[] extents)
    {
        json.WriteString("cache", cachePath);
        json.WriteBoolean("sound", image.IsSound);
        json.WriteBoolean("dataCrc", image.PayloadCrc);
        if (image.BackingLength is long length)
        {
            json.WriteNumber("backingLength", length);
        }
        else
        {
            json.WriteNull("backingLength");
        }

        RescueOutput.WriteSums(json, image);
        json.WriteStartArray("extents");
        foreach (RescueExtent extent in extents)
        {
            json.WriteStartObject();
            json.WriteNumber("offset", extent.Offset);
            json.WriteNumber("length", extent.LengthBytes);
            json.WriteString("state", RescueOutput.Name(extent.State));
            json.WriteBoolean("dirty", extent.IsDirty);
            json.WriteString("place", extent.Place.ToString());
            json.WriteNumber("cacheOffset", extent.CacheOffset);
            json.WriteString("checksum", Checksum(extent.ChecksumFits));
            json.WriteEndObject();
            JsonOutput.FlushIfLarge(json);
        }

        json.WriteEndArray();
        RescueOutput.WriteHoles(json, image.Holes);
        json.WriteStartArray("lost");
        foreach (PCache.Core.DeviceRange lost in image.Lost)
        {
            json.WriteStartObject();
            json.WriteNumber("offset", lost.Offset);
            json.WriteNumber("length", lost.LengthBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        FindingsOutput.Write(json, image.Findings);
    }

    /// <summary>Reads a list of either kind.</summary>
    /// <exception cref="ToolException">It isn't one.</exception>
    public static List<ExportedRange> Read(string path)
    {
        string text = File.ReadAllText(path);
        try
        {
            List<ExportedRange> ranges = text.TrimStart().StartsWith('{') ? ReadJson(text) : ReadText(text);
            long end = 0;
            foreach (ExportedRange range in ranges)
            {
                if (range.Offset < end || range.LengthBytes <= 0 || range.Offset > long.MaxValue - range.LengthBytes)
                {
                    throw new FormatException(
                        $"the range {range.Offset}+{range.LengthBytes} is out of order or impossible");
                }

                end = range.Offset + range.LengthBytes;
            }

            return ranges;
        }
        catch (Exception e) when (e is FormatException or OverflowException or JsonException or KeyNotFoundException
            or InvalidOperationException or IndexOutOfRangeException)
        {
            throw ToolException.Refused($"{path}: This isn't a list of 'pcache export': "
                + $"{ErrorReport.OneLine(e.Message)} Give the list that was made together with the export.", e);
        }
    }

    private static List<ExportedRange> ReadJson(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return
        [
            .. document.RootElement.GetProperty("extents").EnumerateArray().Select(extent => new ExportedRange(
                extent.GetProperty("offset").GetInt64(), extent.GetProperty("length").GetInt64(),
                StateOf(extent.GetProperty("state").GetString()!), extent.GetProperty("dirty").GetBoolean())),
        ];
    }

    private static List<ExportedRange> ReadText(string text)
    {
        string[] lines = text.Split('\n');
        if (lines.Length < 2 || !lines[0].StartsWith(FirstLine, StringComparison.Ordinal) || Line(lines[1]) != Header)
        {
            throw new FormatException("it doesn't begin with the lines that say what it is and name the columns");
        }

        List<ExportedRange> ranges = [];
        for (int i = 2; i < lines.Length; i++)
        {
            string line = Line(lines[i]);
            if (line == Header)
            {
                throw new FormatException($"line {i + 1} names the columns again");
            }

            if (line.Length > 0 && line[0] != '#')
            {
                ranges.Add(RangeOf(line, i + 1));
            }
        }

        return ranges;
    }

    /// <summary>A line without the line end of another system.</summary>
    private static string Line(string line) => line.EndsWith('\r') ? line[..^1] : line;

    private static ExportedRange RangeOf(string line, int number)
    {
        string[] words = line.Split(' ');
        if (words.Length != Columns)
        {
            throw new FormatException($"line {number} has {words.Length} columns, not {Columns}");
        }

        // All columns are held against what they may say, also those of which nothing is needed here.
        string[] place = words[4].Split(':');
        bool fits = place.Length == 2 && IsNumber(place[0]) && IsNumber(place[1]) && IsNumber(words[5])
            && words[6] is ("fits" or "differs" or "none");
        return fits
            ? new ExportedRange(
                Number(words[0]),
                Number(words[1]),
                StateOf(words[2]),
                words[3] switch
                {
                    "dirty" => true,
                    "clean" => false,
                    _ => throw new FormatException($"'{words[3]}' is neither dirty nor clean"),
                })
            : throw new FormatException(
                $"line {number} has a place, a cache offset or a checksum as no export writes them");
    }

    private static long Number(string word) => long.Parse(word, NumberStyles.None, CultureInfo.InvariantCulture);

    private static bool IsNumber(string word) =>
        long.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _);

    private static RescueState StateOf(string word) =>
        Enum.GetValues<RescueState>().Cast<RescueState?>().FirstOrDefault(
            state => RescueOutput.Name(state!.Value) == word) ?? throw new FormatException($"'{word}' is no state");

    private static string Checksum(bool? fits) => fits switch
    {
        true => "fits",
        false => "differs",
        _ => "none",
    };
}
