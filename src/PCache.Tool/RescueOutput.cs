// Keeps true: every range that isn't sound is listed or counted; the list is bounded, whatever the image holds;
// neighbours of one state are joined.
using System.Globalization;
using System.Text.Json;
using PCache.Core;
using PCache.Core.Inspection;

namespace PCache.Tool;

/// <summary>What a rescue found, for people and for scripts.</summary>
internal static class RescueOutput
{
    private const int MostLines = 200;

    /// <summary>Distinct dirty bytes in a state.</summary>
    public static long DirtyBytes(RescueImage image, RescueState state)
    {
        long sum = 0;
        foreach (RescueExtent extent in image.Extents)
        {
            sum += extent.IsDirty && extent.State == state ? extent.LengthBytes : 0;
        }

        return sum;
    }

    /// <summary>The word for a state in lists and JSON.</summary>
    public static string Name(RescueState state) => state switch
    {
        RescueState.Sound => "sound",
        RescueState.Unverifiable => "unverifiable",
        RescueState.PossiblyStale => "possibly-stale",
        _ => "damaged",
    };

    /// <summary>Lists ranges, neighbours joined.</summary>
    public static void PrintRanges(TextWriter output, IEnumerable<RescueExtent> extents, string end)
    {
        int lines = 0;
        RescueExtent? open = null;
        foreach (RescueExtent extent in extents)
        {
            if (open is RescueExtent before && before.End == extent.Offset && before.State == extent.State)
            {
                open = before with { LengthBytes = before.LengthBytes + extent.LengthBytes };
                continue;
            }

            PrintRange(output, open, end, ref lines);
            open = extent;
        }

        PrintRange(output, open, end, ref lines);
        if (lines > MostLines)
        {
            output.WriteLine(
                string.Create(CultureInfo.InvariantCulture,
                    $"... and {lines - MostLines} more ranges; 'pcache export --list' has them all."));
        }
    }

    /// <summary>Tells of writes lost by the program that wrote the image, and of holes of the log.</summary>
    public static void PrintLost(TextWriter output, RescueImage image)
    {
        foreach (DeviceRange lost in image.Lost.Take(MostLines))
        {
            output.WriteLine(
                string.Create(CultureInfo.InvariantCulture, $"lost: bytes {lost.Offset}..{lost.End - 1} "
                    + $"({lost.LengthBytes} bytes) were already lost by the program that wrote this image."));
        }

        foreach (RescueHole hole in image.Holes.Where(hole => hole.IsDirty).Take(MostLines))
        {
            string size = hole.LengthBytes < 0 ? "how much isn't known" : string.Create(
                CultureInfo.InvariantCulture, $"{hole.LengthBytes} bytes of log, at most {hole.MaxKeys} writes");
            output.WriteLine($"lost: the log has a hole at {hole.Position} ({size}): any range that no later write "
                + $"covers may have had a newer version.");
        }
    }

    /// <summary>Writes the sums of dirty bytes by state.</summary>
    public static void WriteSums(Utf8JsonWriter json, RescueImage image)
    {
        json.WriteStartObject("rescue");
        json.WriteNumber("soundBytes", DirtyBytes(image, RescueState.Sound));
        json.WriteNumber("unverifiableBytes", DirtyBytes(image, RescueState.Unverifiable));
        json.WriteNumber("possiblyStaleBytes", DirtyBytes(image, RescueState.PossiblyStale));
        json.WriteNumber("damagedBytes", DirtyBytes(image, RescueState.Damaged));
        json.WriteNumber("lostBytes", image.Lost.Sum(range => range.LengthBytes));
        json.WriteNumber("holes", image.Holes.Count);
        json.WriteEndObject();
    }

    /// <summary>The sums as a line.</summary>
    public static string Sums(RescueImage image)
    {
        return string.Create(CultureInfo.InvariantCulture,
            $"{DirtyBytes(image, RescueState.Sound)} dirty bytes are sound, "
            + $"{DirtyBytes(image, RescueState.PossiblyStale)} possibly stale, "
            + $"{DirtyBytes(image, RescueState.Unverifiable)} unverifiable, {DirtyBytes(image, RescueState.Damaged)} "
            + $"damaged; {image.Holes.Count} holes in the log");
    }

    /// <summary>Writes the holes of the log.</summary>
    public static void WriteHoles(Utf8JsonWriter json, IReadOnlyList<RescueHole> holes)
    {
        json.WriteStartArray("holes");
        foreach (RescueHole hole in holes)
        {
            json.WriteStartObject();
            json.WriteString("position", hole.Position.ToString());
            json.WriteNumber("cacheOffset", hole.CacheOffset);
            json.WriteNumber("length", hole.LengthBytes);
            json.WriteNumber("maxKeys", hole.MaxKeys);
            json.WriteBoolean("dirty", hole.IsDirty);
            json.WriteEndObject();
            JsonOutput.FlushIfLarge(json);
        }

        json.WriteEndArray();
    }

    private static void PrintRange(TextWriter output, RescueExtent? range, string end, ref int lines)
    {
        if (range is not RescueExtent extent || ++lines > MostLines)
        {
            return;
        }

        string why = extent.State switch
        {
            RescueState.Unverifiable => "can't be verified",
            RescueState.PossiblyStale => "are possibly stale: a lost part of the log may have had a newer version",
            _ => "can't be read or don't fit their checksum",
        };
        output.WriteLine(
            string.Create(CultureInfo.InvariantCulture, $"{Name(extent.State)}: bytes "
                + $"{extent.Offset}..{extent.End - 1} ({extent.LengthBytes} bytes) {why}{end}."));
    }
}
