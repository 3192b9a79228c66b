using System.Globalization;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
using PCache.Sqlite.Files;

namespace PCache.Sqlite.Databases;

/// <summary>
/// The small file beside a database whose cache is in another folder: it says where, so that the database isn't
/// opened without it. Its format is in docs/sqlite.md. Keeps true: it is there before its cache has anything, and
/// goes before its cache does; it appears under its name only when it is whole.
/// </summary>
/// <param name="Cache">Full path of the cache file.</param>
/// <param name="CacheId">UUID of the cache.</param>
/// <param name="Database">Full path that the database had: for messages.</param>
internal sealed record CacheMark(string Cache, Guid CacheId, string Database)
{
    private const int MaxBytes = 64 << 10;

    private const string VersionName = "pcacheSqliteMark";
    private const int Version = 1;

    /// <summary>Reads a mark from its open file.</summary>
    /// <exception cref="IOException">It isn't one.</exception>
    public static CacheMark Read(SafeFileHandle file, string path)
    {
        var bytes = new byte[(int)Math.Min(MaxBytes, RandomAccess.GetLength(file))];
        int length = RandomAccess.Read(file, bytes, 0);
        try
        {
            using JsonDocument document = JsonDocument.Parse(bytes.AsMemory(0, length));
            JsonElement root = document.RootElement;
            if (root.GetProperty(VersionName).GetInt32() == Version
                && root.GetProperty("cache").GetString() is { Length: > 0 } cache && Path.IsPathFullyQualified(cache))
            {
                return new CacheMark(
                    cache, root.GetProperty("id").GetGuid(), root.GetProperty("database").GetString() ?? "");
            }
        }
        catch (Exception e)
            when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
        }

        throw new IOException(
            $"'{SafeText.Of(path)}' isn't a mark that this version understands, so it can't be told where the "
            + $"database's cache is. "
            + "Delete it only if you know that it has none.");
    }

    /// <summary>Makes the file; durable on return.</summary>
    /// <exception cref="IOException">Something has the name, or the system refused.</exception>
    public void Write(string path, FileFacts? database)
    {
        string newPath = Path.ChangeExtension(path, CachePaths.NewExtension);
        CacheFile.DeleteLeftOver(newPath, database);
        using (SafeFileHandle file = PrivateFile.CreateNew(newPath))
        {
            using var text = new MemoryStream();
            using (var writer = new Utf8JsonWriter(text))
            {
                writer.WriteStartObject();
                writer.WriteNumber(VersionName, Version);
                writer.WriteString("cache", Cache);
                writer.WriteString("id", CacheId.ToString("D", CultureInfo.InvariantCulture));
                writer.WriteString("database", Database);
                writer.WriteEndObject();
            }

            RandomAccess.Write(file, text.GetBuffer().AsSpan(0, (int)text.Length), 0);
            if (database is not null)
            {
                FileRights.Apply(file, database);
            }

            RandomAccess.FlushToDisk(file);
        }

        try
        {
            File.Move(newPath, path);
        }
        catch
        {
            File.Delete(newPath);
            throw;
        }

        UnixFolder.Sync(Path.GetDirectoryName(path)!);
    }
}
