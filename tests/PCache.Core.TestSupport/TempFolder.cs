// A folder of its own for one test. Keeps true: it is empty at first, no other test shares it, and it is gone after
// Dispose.

namespace PCache.Core.Tests.Support;

/// <summary>A fresh folder, removed with everything in it by Dispose.</summary>
public sealed class TempFolder : IDisposable
{
    /// <summary>
    /// Makes the folder, below <paramref name="parent"/> or else the system's folder for temporary files.
    /// </summary>
    public TempFolder(string? parent = null)
    {
        Path = System.IO.Path.Combine(parent ?? System.IO.Path.GetTempPath(), $"pcache-test-{Guid.NewGuid():N}");
        Directory.CreateDirectory(Path);
    }

    /// <summary>The folder's full path.</summary>
    public string Path { get; }

    /// <summary>Full path of a file in it; the file isn't made.</summary>
    public string this[string fileName] => System.IO.Path.Combine(Path, fileName);

    /// <summary>Makes a file of that length (sparse where the file system can) and returns its full path.</summary>
    public string CreateFile(string fileName, long lengthBytes = 0)
    {
        string path = this[fileName];
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write);
        file.SetLength(lengthBytes);
        return path;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Directory.Exists(Path))
        {
            Directory.Delete(Path, recursive: true);
        }
    }
}
