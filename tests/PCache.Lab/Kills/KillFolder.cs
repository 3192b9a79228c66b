namespace PCache.Lab.Kills;

/// <summary>
/// A temporary folder for the images; in memory where the system has a file system for that: flushes cost nothing
/// there, so that much more happens in a second.
/// </summary>
internal sealed class KillFolder(bool inMemory) : IDisposable
{
    private const string MemoryFileSystem = "/dev/shm";

    private readonly DirectoryInfo _directory = inMemory && Directory.Exists(MemoryFileSystem)
        ? Directory.CreateDirectory(Path.Combine(MemoryFileSystem, "pcache-kills-" + Path.GetRandomFileName()))
        : Directory.CreateTempSubdirectory("pcache-kills-");

    public string this[string name] => Path.Combine(_directory.FullName, name);

    public void Dispose() => _directory.Delete(recursive: true);
}
