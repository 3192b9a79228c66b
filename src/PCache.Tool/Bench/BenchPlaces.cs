// Keeps true: files that the bench makes are new, lie together, and are gone at the end. The cache, the bound and the peers' files are on the same kind of memory:
// "memory" is a file in the system's memory file system where it has one with room, mapped and taken for persistent memory, so that every store goes past the caches.
using PCache.Core;
using PCache.Core.Files;
using PCache.Core.Pmem;

namespace PCache.Tool.Bench;

/// <summary>Where the measured regions and files live.</summary>
internal sealed class BenchPlaces : IDisposable
{
    private const string MemoryFileSystem = "/dev/shm";
    private readonly string? _cachePath;
    private readonly PmemFileOptions _options;
    private readonly DirectoryInfo _directory;
    private readonly bool _inMemoryFiles;
    private bool _madeCache;
    private FileFacts? _cacheFacts;
    private int _count;

    public BenchPlaces(BenchSettings settings)
    {
        _cachePath = settings.CachePath;
        Persistence = settings.Persistence ?? (_cachePath is null ? Persistence.Assumed : Persistence.PageCache);
        _options = new PmemFileOptions { Persistence = Persistence };
        if (_cachePath is null)
        {
            _inMemoryFiles = Directory.Exists(MemoryFileSystem);
            _directory = NewDirectory(_inMemoryFiles ? MemoryFileSystem : Path.GetTempPath());
            return;
        }

        if (Path.Exists(_cachePath))
        {
            throw ToolException.Refused($"'{_cachePath}' exists already. Give a path where there is nothing: the bench makes the file and removes it.");
        }

        string parentOfCache = Path.GetDirectoryName(Path.GetFullPath(_cachePath))!;
        if (!Directory.Exists(parentOfCache))
        {
            throw ToolException.Refused($"There is no directory '{parentOfCache}'. Make it first.");
        }

        _directory = NewDirectory(parentOfCache);
    }

    /// <summary>What the regions' stores are worth.</summary>
    public Persistence Persistence { get; }

    /// <summary>Where the regions and the peers' files lie.</summary>
    public string DirectoryPath => _directory.FullName;

    /// <summary>What the regions are, for people.</summary>
    public string Description => _cachePath is not null
        ? $"file beside {Path.GetFileName(_cachePath)}, {Persistence}"
        : _inMemoryFiles ? $"files in {MemoryFileSystem}, {Persistence}" : "process memory";

    /// <summary>Makes the cache's region.</summary>
    public PmemRegion CreateCacheRegion(long lengthBytes)
    {
        if (_cachePath is null || _madeCache)
        {
            return CreateRegion(lengthBytes);
        }

        PmemRegion region = CacheFiles.Naming(_cachePath, () => PmemFile.Create(_cachePath, lengthBytes, _options));
        _madeCache = true;
        _cacheFacts = InputFiles.TryFacts(_cachePath);
        return region;
    }

    /// <summary>Makes a region of the same kind.</summary>
    public PmemRegion CreateRegion(long lengthBytes)
    {
        if (_cachePath is not null)
        {
            return PmemFile.Create(NewPath(), lengthBytes, _options);
        }

        // A memory file system may be far smaller than the memory.
        return _inMemoryFiles && new DriveInfo(MemoryFileSystem).AvailableFreeSpace > lengthBytes
            ? PmemFile.Create(NewPath(), lengthBytes, _options)
            : PmemMemory.Allocate(lengthBytes);
    }

    /// <summary>Makes a file of a length, its blocks allocated by writing them.</summary>
    public string CreateFile(long lengthBytes) => CreateFile(NewPath(), lengthBytes);

    /// <summary>Makes a file of a length at a path.</summary>
    public static string CreateFile(string path, long lengthBytes)
    {
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0);
        byte[] buffer = new byte[1 << 20];
        for (long done = 0; done < lengthBytes; done += buffer.Length)
        {
            file.Write(buffer, 0, (int)Math.Min(buffer.Length, lengthBytes - done));
        }

        return path;
    }

    /// <summary>Makes an empty directory that nobody else uses.</summary>
    public static DirectoryInfo NewDirectory(string parent) => Directory.CreateDirectory(Path.Combine(parent, "pcache-bench-" + Path.GetRandomFileName()));

    public void Dispose()
    {
        // Only the file that was made here, whatever has its name by now.
        if (_madeCache && (!FileFacts.IsSupported || (_cacheFacts is not null && InputFiles.TryFacts(_cachePath!)?.Identity == _cacheFacts.Identity)))
        {
            File.Delete(_cachePath!);
        }

        _directory.Delete(recursive: true);
    }

    private string NewPath() => Path.Combine(_directory.FullName, "file" + _count++);
}
