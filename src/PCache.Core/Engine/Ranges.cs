namespace PCache.Core.Engine;

/// <summary>Checks of offsets and lengths, the same on every path.</summary>
internal static class Ranges
{
    /// <summary>Refuses an offset below zero.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is.</exception>
    public static void CheckOffset(long offset) => ArgumentOutOfRangeException.ThrowIfNegative(offset);

    /// <summary>Refuses what no range can be.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Offset or length is below zero, or their sum is beyond 64
    /// bits.</exception>
    public static void Check(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (offset > long.MaxValue - length)
        {
            throw new ArgumentOutOfRangeException(
                nameof(length), length, "Offset plus length is beyond the range of 64 bits.");
        }
    }
}
