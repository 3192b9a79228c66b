using PCache.Core.Pmem;

namespace PCache.Core.Ksets;

/// <summary>Durable zeros that leave alone what is zero already: no store, no page dirtied.</summary>
internal static class RegionZeroing
{
    private const int Chunk = 64 << 10;

    /// <summary>Makes a range zero, durably.</summary>
    public static void Zero(PmemRegion region, long offset, long lengthBytes)
    {
        for (long done = 0; done < lengthBytes; done += Chunk)
        {
            int n = (int)Math.Min(Chunk, lengthBytes - done);
            if (region.ReadSpan(offset + done, n).ContainsAnyExcept((byte)0))
            {
                region.WriteZeros(offset + done, n);
                region.FlushRange(offset + done, n);
            }
            else
            {
                // It reads as zero, but the store that made it so may not be durable yet.
                region.FlushRange(offset + done, n);
            }
        }

        region.Drain();
    }
}
