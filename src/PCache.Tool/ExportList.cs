// Keeps true: what is written here is read back here, exactly; a list with anything else in it is refused before anything is applied.
using System.Globalization;
using System.Text.Json;
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
    private const string Header = "# offset length state kind place cache-offset checksum";

    public static void WriteText(TextWriter output, string cachePath, RescueImage image, RescueExtent[] extents)
    {
        output.WriteLine($"# pcache export of {cachePath}");
        output.WriteLine(Header);
        foreach (RescueExtent extent in extents)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{extent.Offset} {extent.LengthBytes} {RescueOutput.Name(extent.State)} {(extent.IsDirty ? "dirty" : "clean")} {extent.Place} {extent.CacheOffset} {Checksum(extent.ChecksumFits)}"));
        }

        foreach (RescueHole hole in image.Holes)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"# hole in the log at {hole.Position}: {hole.LengthBytes} bytes, at most {hole.MaxKeys} keys, {(hole.IsDirty ? "dirty" : "written back")}"));
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
                    throw new FormatException($"the range {range.Offset}+{range.LengthBytes} is out of order or impossible");
                }

                end = range.Offset + range.LengthBytes;
            }

            return ranges;
        }
        catch (Exception e) when (e is FormatException or OverflowException or JsonException or KeyNotFoundException or InvalidOperationException or IndexOutOfRangeException)
        {
            throw ToolException.Refused($"{path}: This isn't a list of 'pcache export': {ErrorReport.OneLine(e.Message)} Give the list that was made together with the export.", e);
        }
    }

    private static List<ExportedRange> ReadJson(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return
        [
            .. document.RootElement.GetProperty("extents").EnumerateArray().Select(extent => new ExportedRange(
                extent.GetProperty("offset").GetInt64(), extent.GetProperty("length").GetInt64(), StateOf(extent.GetProperty("state").GetString()!), extent.GetProperty("dirty").GetBoolean())),
        ];
    }

    private static List<ExportedRange> ReadText(string text)
    {
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (!lines.Contains(Header))
        {
            throw new FormatException("the line that names the columns is missing");
        }

        List<ExportedRange> ranges = [];
        foreach (string line in lines.Where(line => line[0] != '#'))
        {
            string[] words = line.Split(' ');
            ranges.Add(new ExportedRange(
                long.Parse(words[0], NumberStyles.None, CultureInfo.InvariantCulture),
                long.Parse(words[1], NumberStyles.None, CultureInfo.InvariantCulture),
                StateOf(words[2]),
                words[3] switch
                {
                    "dirty" => true,
                    "clean" => false,
                    _ => throw new FormatException($"'{words[3]}' is neither dirty nor clean"),
                }));
        }

        return ranges;
    }

    private static RescueState StateOf(string word) =>
        Enum.GetValues<RescueState>().Cast<RescueState?>().FirstOrDefault(state => RescueOutput.Name(state!.Value) == word) ?? throw new FormatException($"'{word}' is no state");

    private static string Checksum(bool? fits) => fits switch
    {
        true => "fits",
        false => "differs",
        _ => "none",
    };
}
