// Keeps true: a size is read exactly or not at all: no overflow, no sign, no fraction, no unit but K, M and G (powers
// of 1024).
using System.Globalization;

namespace PCache.Tool.Shell;

/// <summary>Sizes and counts as people write them.</summary>
internal static class SizeText
{
    /// <summary>What is said about a text that isn't a size.</summary>
    public const string Expected =
        "a whole number of bytes, optionally with K, M or G (powers of 1024), such as 512, 4K or 1G";

    /// <summary>Reads "512", "4K", "64m", "1G".</summary>
    public static bool TryParse(string? text, out long bytes)
    {
        bytes = 0;
        if (string.IsNullOrEmpty(text))
        {
            return false;
        }

        int shift = text[^1] switch
        {
            'K' or 'k' => 10,
            'M' or 'm' => 20,
            'G' or 'g' => 30,
            _ => 0,
        };
        ReadOnlySpan<char> digits = shift == 0 ? text : text.AsSpan(0, text.Length - 1);
        if (!long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out long value)
            || value > long.MaxValue >> shift)
        {
            return false;
        }

        bytes = value << shift;
        return true;
    }

    /// <summary>
    /// Writes a size so that <see cref="TryParse"/> reads it back: the largest unit that leaves a whole number.
    /// </summary>
    public static string Exact(long bytes)
    {
        (int shift, string unit) = bytes switch
        {
            0 => (0, string.Empty),
            _ when (bytes & ((1L << 30) - 1)) == 0 => (30, "G"),
            _ when (bytes & ((1L << 20) - 1)) == 0 => (20, "M"),
            _ when (bytes & ((1L << 10) - 1)) == 0 => (10, "K"),
            _ => (0, string.Empty),
        };
        return (bytes >> shift).ToString(CultureInfo.InvariantCulture) + unit;
    }

    /// <summary>
    /// Writes a least size for people, rounded up, so that what they read is enough: "16.1 MiB" for 16 MiB and one
    /// byte.
    /// </summary>
    public static string RoundedUp(long bytes)
    {
        int unit = 0;
        while (unit < 4 && bytes >> (10 * (unit + 1)) > 0)
        {
            unit++;
        }

        double tenths = Math.Ceiling(bytes * 10 / Math.Pow(1024, unit));
        return Rounded(tenths / 10 * Math.Pow(1024, unit));
    }

    /// <summary>Writes a size for people, rounded: "1.5 MiB".</summary>
    public static string Rounded(double bytes)
    {
        string[] units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
        int unit = 0;
        while (bytes >= 1024 && unit < units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        return bytes.ToString(unit == 0 ? "F0" : "F1", CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
