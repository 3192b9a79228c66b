using System.Globalization;

namespace PCache.Sqlite.Databases;

/// <summary>
/// Names of cache files. Keeps true: two databases never share one; the same full path always has the same.
/// </summary>
internal static class CachePaths
{
    public const string Extension = ".pcache";

    /// <summary>While a new cache file isn't ready.</summary>
    public const string NewExtension = ".pcache-new";

    /// <summary>Beside a database whose cache is in another folder: says where.</summary>
    public const string MarkExtension = ".pcache-mark";

    /// <summary>The cache file of a database.</summary>
    /// <param name="databasePath">Full path.</param>
    /// <param name="folder">Folder for cache files; null: next to the database.</param>
    public static string Of(string databasePath, string? folder)
    {
        if (folder is null)
        {
            return databasePath + Extension;
        }

        // FNV-1a, 64 bits: the same in every process and version.
        ulong hash = 14695981039346656037;
        foreach (char c in databasePath)
        {
            hash = (hash ^ c) * 1099511628211;
        }

        return Path.Combine(Path.GetFullPath(folder),
            $"{Path.GetFileName(databasePath)}-{hash.ToString("x16", CultureInfo.InvariantCulture)}{Extension}");
    }
}
