// Keeps true: a cache that is that of a SQLite database is told from all others by what it is bound to: the plain
// files seen as one device, longer than any file.
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool;

/// <summary>Refers the user of a SQLite database's cache to the command that knows its plain files.</summary>
internal static class SqliteCaches
{
    private const ulong DeviceBytes = 1UL << 51;
    private const string Extension = ".pcache";

    /// <summary>Refuses such a cache; says nothing of anything else, be it damaged, missing or in use.</summary>
    public static void Refuse(string cachePath)
    {
        if (!IsOne(cachePath))
        {
            return;
        }

        bool isBeside = cachePath.EndsWith(Extension, StringComparison.Ordinal)
            && File.Exists(cachePath[..^Extension.Length]);
        string database = isBeside ? $"'{cachePath[..^Extension.Length]}'" : "DATABASE";
        throw ToolException.Refused(
            $"'{cachePath}' is the cache of a SQLite database, whose files this command doesn't know. "
            + $"Use 'pcache sqlite status {database}' to see what is in it, and 'pcache sqlite drain {database}' to "
            + $"write it back.");
    }

    private static bool IsOne(string cachePath)
    {
        try
        {
            if (!File.Exists(cachePath) || CacheFiles.IsDevice(cachePath)
                || new FileInfo(cachePath).Length < MediaConstants.SegmentsOffset)
            {
                return false;
            }

            using PmemRegion region = PmemFile.Open(cachePath, new PmemFileOptions { ReadOnly = true });
            _ = ExtensionBlocks.Read(region, out ExtensionBlock? block, out _);
            return block is { BackingLength: DeviceBytes };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
