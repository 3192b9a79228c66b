// Keeps true: files that the bench makes are new, lie together, and are gone at the end.
using PCache.Core.Pmem;

namespace PCache.Tool.Bench;

/// <summary>Where the measured regions and files live.</summary>
internal sealed class BenchPlaces : IDisposable
{
    private readonly string? _cachePath;
    private readonly DirectoryInfo _directory;
    private int _count;

    /// <param name="cachePath">A cache file to make; null: memory.</param>
    public BenchPlaces(string? cachePath)
    {
        _cachePath = cachePath;
        if (cachePath is null)
        {
            // Peers need files: in memory too where the system has a file system for that.
            string parent = Directory.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath();
            _directory = Directory.CreateDirectory(Path.Combine(parent, "pcache-bench-" + Path.GetRandomFileName()));
            return;
        }

        if (Path.Exists(cachePath))
        {
            throw ToolException.Refused($"'{cachePath}' exists already. Give a path where there is nothing: the bench makes the file and removes it.");
        }

        string parentOfCache = Path.GetDirectoryName(Path.GetFullPath(cachePath))!;
        if (!Directory.Exists(parentOfCache))
        {
            throw ToolException.Refused($"There is no directory '{parentOfCache}'. Make it first.");
        }

        _directory = Directory.CreateDirectory(Path.Combine(parentOfCache, "pcache-bench-" + Path.GetRandomFileName()));
    }

    /// <summary>Makes the cache's region.</summary>
    public PmemRegion CreateCacheRegion(long lengthBytes) =>
        _cachePath is null ? PmemMemory.Allocate(lengthBytes) : CacheFiles.Naming(_cachePath, () => PmemFile.Create(_cachePath, lengthBytes));

    /// <summary>Makes a region of the same kind.</summary>
    public PmemRegion CreateRegion(long lengthBytes) =>
        _cachePath is null ? PmemMemory.Allocate(lengthBytes) : PmemFile.Create(NewPath(), lengthBytes);

    /// <summary>Makes a file of a length, its blocks allocated by writing them.</summary>
    public string CreateFile(long lengthBytes)
    {
        string path = NewPath();
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
        byte[] buffer = new byte[1 << 20];
        for (long done = 0; done < lengthBytes; done += buffer.Length)
        {
            file.Write(buffer, 0, (int)Math.Min(buffer.Length, lengthBytes - done));
        }

        return path;
    }

    public void Dispose()
    {
        if (_cachePath is not null)
        {
            File.Delete(_cachePath);
        }

        _directory.Delete(recursive: true);
    }

    private string NewPath() => Path.Combine(_directory.FullName, "file" + _count++);
}
