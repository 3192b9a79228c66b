// Keeps true: files that the bench makes are new, and gone at the end: nothing of the user's is written over. What is
// compared is on the same kind of memory: "memory" is a file in the system's memory file system where it has one with
// room, mapped and taken for persistent memory, so that every store goes past the caches.
using PCache.Core;
using PCache.Core.Files;
using PCache.Core.Journal;
using PCache.Core.Pmem;

namespace PCache.Tool.Bench;

/// <summary>Where the measured regions and files live.</summary>
internal sealed class BenchPlaces : IDisposable
{
    private const string MemoryFileSystem = "/dev/shm";
    private readonly string? _cachePath;
    private readonly string? _backingPath;
    private readonly PmemFileOptions _options;
    private readonly DirectoryInfo _directory;
    private readonly bool _inMemoryFiles;
    private readonly List<(string Path, FileFacts? Facts)> _made = [];
    private bool _madeCache;
    private int _count;

    public BenchPlaces(BenchSettings settings)
    {
        _cachePath = settings.CachePath;
        _backingPath = settings.BackingPath;
        RequireNew(_backingPath);
        RequireNew(_cachePath);
        Persistence = settings.Persistence ?? (_cachePath is null ? Persistence.Assumed : Persistence.PageCache);
        _options = new PmemFileOptions { Persistence = Persistence };
        if (_cachePath is null)
        {
            _inMemoryFiles = Directory.Exists(MemoryFileSystem);
            _directory = NewDirectory(_inMemoryFiles ? MemoryFileSystem : Path.GetTempPath());
            return;
        }

        _directory = NewDirectory(Path.GetDirectoryName(Path.GetFullPath(_cachePath))!);
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
        Made(_cachePath);
        return region;
    }

    /// <summary>
    /// Makes the backing: a file where one is asked for; else one of memory, or for what is never read one that keeps
    /// nothing.
    /// </summary>
    public IBlockDevice CreateBacking(long lengthBytes, bool isRead)
    {
        if (_backingPath is null)
        {
            return isRead ? new MemoryBacking(lengthBytes) : new NullDevice(lengthBytes);
        }

        CreateFile(_backingPath, lengthBytes);
        Made(_backingPath);
        return BlockDevice.OpenFile(_backingPath);
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

    /// <summary>Makes an empty directory that nothing else uses.</summary>
    public static DirectoryInfo NewDirectory(string parent) =>
        Directory.CreateDirectory(Path.Combine(parent, "pcache-bench-" + Path.GetRandomFileName()));

    public void Dispose()
    {
        // Only the files that were made here, whatever has their names by now.
        foreach ((string path, FileFacts? facts) in _made)
        {
            if (!FileFacts.IsSupported || (facts is not null && InputFiles.TryFacts(path)?.Identity == facts.Identity))
            {
                File.Delete(path);
                if (path == _backingPath)
                {
                    // a device that was closed in the middle of a checkpoint leaves its journal beside the backing
                    File.Delete(path + JournalConstants.FileSuffix);
                }
            }
        }

        _directory.Delete(recursive: true);
    }

    /// <summary>Writes something everywhere, so that every page is there.</summary>
    public static void Fill(PmemRegion region, long lengthBytes)
    {
        byte[] buffer = new byte[1 << 20];
        Random.Shared.NextBytes(buffer);
        for (long offset = 0; offset < lengthBytes; offset += buffer.Length)
        {
            region.Write(offset, buffer.AsSpan(0, (int)Math.Min(buffer.Length, lengthBytes - offset)));
        }

        region.Drain();
    }

    private static void RequireNew(string? path)
    {
        if (path is null)
        {
            return;
        }

        if (Path.Exists(path))
        {
            throw ToolException.Refused($"'{path}' exists already. Give a path where there is nothing: the bench "
                + $"makes the file and removes it.");
        }

        string parent = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(parent))
        {
            throw ToolException.Refused($"There is no directory '{parent}'. Make it first.");
        }
    }

    private void Made(string path) => _made.Add((path, InputFiles.TryFacts(path)));

    private string NewPath() => Path.Combine(_directory.FullName, "file" + _count++);
}
