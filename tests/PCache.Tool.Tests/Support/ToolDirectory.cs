namespace PCache.Tool.Tests.Support;

/// <summary>A temporary directory with helpers for files in it.</summary>
internal sealed class ToolDirectory(bool inMemory = false) : IDisposable
{
    private const string MemoryFileSystem = "/dev/shm";

    // In memory, where the system has a file system for that: flushes cost nothing, so that much more happens in a
    // second.
    private readonly DirectoryInfo _directory = inMemory && Directory.Exists(MemoryFileSystem)
        ? Directory.CreateDirectory(Path.Combine(MemoryFileSystem, "pcache-tool-" + Path.GetRandomFileName()))
        : Directory.CreateTempSubdirectory("pcache-tool-");

    public string FullName => _directory.FullName;

    public string this[string name] => Path.Combine(_directory.FullName, name);

    /// <summary>Makes a file with this content.</summary>
    public string Write(string name, byte[] content)
    {
        File.WriteAllBytes(this[name], content);
        return this[name];
    }

    /// <summary>Makes a sparse file of zeros.</summary>
    public string Zeros(string name, long lengthBytes)
    {
        using var file = new FileStream(this[name], FileMode.CreateNew);
        file.SetLength(lengthBytes);
        return this[name];
    }

    /// <summary>What a command that changes nothing must leave alone.</summary>
    public (DateTime Modified, long Length, string Hash) Print(string name)
    {
        var info = new FileInfo(this[name]);
        using FileStream stream = info.Open(FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return (info.LastWriteTimeUtc, info.Length,
            Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(stream)));
    }

    public void Dispose() => _directory.Delete(recursive: true);
}
