// Keeps true: the backing is as slow in the demo's writer process as in the demo itself.
using PCache.Core;

namespace PCache.Tool.Demo;

/// <summary>The demo's backing: 1 ms a read, 3 ms a write or flush, 100 MiB/s.</summary>
internal static class SlowBacking
{
    /// <summary>How many write-back calls such a backing takes at once.</summary>
    public const int WritebackConcurrency = 32;

    private const long BytesPerSecond = 100L << 20;

    /// <summary>Makes a device slow; owns it.</summary>
    public static ThrottledDevice Over(IBlockDevice device) =>
        new(device, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(3), BytesPerSecond);
}
