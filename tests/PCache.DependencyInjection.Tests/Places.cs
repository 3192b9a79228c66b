using PCache.Core;
using PCache.Core.Tests.Support;

namespace PCache.DependencyInjection.Tests;

/// <summary>A folder with a backing of 1 MiB, and settings for a small cache in front of it.</summary>
internal sealed class Places : IDisposable
{
    public const int SegmentBytes = 64 << 10;
    public const long CacheBytes = (20 << 10) + (8 * SegmentBytes);
    private readonly TempFolder _folder = new();

    public Places() => BackingPath = _folder.CreateFile("backing.img", 1 << 20);

    public string CachePath => _folder["cache.img"];

    public string BackingPath { get; }

    public string this[string name] => _folder[name];

    public void Apply(PCacheSettings settings)
    {
        settings.CachePath = CachePath;
        settings.CacheLengthBytes = CacheBytes;
        settings.SegmentSizeBytes = SegmentBytes;
        settings.BackingPath = BackingPath;
    }

    /// <summary>Another cache in the same folder, with a backing of its own.</summary>
    public void ApplyOther(PCacheSettings settings)
    {
        Apply(settings);
        settings.CachePath = _folder["other.img"];
        settings.BackingPath = _folder["other-backing.img"];
        if (!File.Exists(settings.BackingPath))
        {
            _folder.CreateFile("other-backing.img", 1 << 20);
        }
    }

    /// <summary>The same as text, for configuration.</summary>
    public Dictionary<string, string?> AsText(string section) => new()
    {
        [$"{section}:CachePath"] = CachePath,
        [$"{section}:CacheLengthBytes"] = $"{CacheBytes}",
        [$"{section}:SegmentSizeBytes"] = $"{SegmentBytes}",
        [$"{section}:BackingPath"] = BackingPath,
    };

    /// <summary>Asserts that no process has the cache file open.</summary>
    public void AssertClosed()
    {
        if (File.Exists(CachePath))
        {
            using var file = new FileStream(CachePath, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        }

        using var backing = new FileStream(BackingPath, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    public static byte[] Read(IBlockDevice device, long offset, int length)
    {
        var bytes = new byte[length];
        Assert.Equal(length, device.Read(offset, bytes));
        return bytes;
    }

    public void Dispose() => _folder.Dispose();
}
