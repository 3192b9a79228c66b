namespace PCache.Core.Tests.Pmem;

/// <summary>A directory that goes with its owner.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    public TemporaryDirectory(string? parent = null)
    {
        FullPath = Path.Combine(parent ?? Path.GetTempPath(), $"pcache-{Guid.NewGuid():N}");
        Directory.CreateDirectory(FullPath);
    }

    public string FullPath { get; }

    public string File(string name) => Path.Combine(FullPath, name);

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
