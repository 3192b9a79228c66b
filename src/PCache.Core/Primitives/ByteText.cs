// Keeps true: the exact number of bytes is always there; a rounded figure never says that less would do than does.

namespace PCache.Core.Primitives;

/// <summary>Numbers of bytes for people: exact, and in a unit that can be read. Culture-invariant.</summary>
internal static class ByteText
{
    private static readonly string[] Units = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>"67129344 bytes (64.02 MiB)"; "16 MiB" where that is exact; "100 bytes".</summary>
    public static string Of(long bytes)
    {
        int unit = UnitOf(bytes);
        double scaled = bytes / Math.Pow(1024, unit);
        return unit == 0 ? Text($"{bytes} bytes")
            : bytes % (1L << (10 * unit)) == 0 ? Text($"{bytes >> (10 * unit)} {Units[unit]}")
            : Text($"{bytes} bytes ({scaled:0.##} {Units[unit]})");
    }

    /// <summary>
    /// A least size: exact, and rounded up to a whole number of a unit: "67129344 bytes (say 65 MiB)".
    /// </summary>
    public static string AtLeast(long bytes)
    {
        int unit = UnitOf(bytes);
        long whole = (bytes + (1L << (10 * unit)) - 1) >> (10 * unit);
        return unit == 0 || whole << (10 * unit) == bytes
            ? Of(bytes)
            : Text($"{bytes} bytes (say {whole} {Units[unit]})");
    }

    private static int UnitOf(long bytes)
    {
        int unit = 0;
        while (unit < Units.Length - 1 && bytes >> (10 * (unit + 1)) != 0)
        {
            unit++;
        }

        return unit;
    }

    private static string Text(InvariantText text) => text.Take();
}
