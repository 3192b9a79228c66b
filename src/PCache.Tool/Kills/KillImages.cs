// Keeps true: a new pair of files never overwrites an existing one.
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool.Kills;

/// <summary>
/// The two files of a writer: a backing full of write 0, and a cache in the compact geometry, so that the log and
/// garbage collection have work.
/// </summary>
internal static class KillImages
{
    /// <summary>Makes a new backing whose every sector holds write 0.</summary>
    public static void CreateBacking(string path, uint sectors)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
        byte[] buffer = new byte[1 << 20];
        for (uint sector = 0; sector < sectors;)
        {
            uint count = Math.Min((uint)buffer.Length / MarkedSector.SectorSize, sectors - sector);
            Span<byte> content = buffer.AsSpan(0, (int)count * MarkedSector.SectorSize);
            MarkedSector.Fill(content, sector, 0);
            file.Write(content);
            sector += count;
        }

        file.Flush(flushToDisk: true);
    }

    /// <summary>Makes a new cache file.</summary>
    public static void CreateCache(string path, long lengthBytes, int segmentSizeBytes)
    {
        using PmemRegion region = PmemFile.Create(path, lengthBytes);
        Formatter.Format(region, new FormatParameters { SegmentSizeBytes = segmentSizeBytes, PayloadCrc = true });
    }
}
