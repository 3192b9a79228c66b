using PCache.Core.Tests.Support;

namespace PCache.Core.ClientTests.Support;

/// <summary>A plain file with a cache in front of it, and a plain file of the same history as control.</summary>
/// <remarks>
/// Keeps true: whatever is run by BothAsync is run once on the control, once on the cached stream, from the same
/// beginning; then both hold the same bytes.
/// </remarks>
internal sealed class CachedFile : IDisposable
{
    private const long CacheBytes = 20480 + (10L << 20);

    private readonly TempFolder _folder = new();
    private readonly int _bufferSize;

    public CachedFile(int bufferSize = 0) => _bufferSize = bufferSize;

    public string Path => _folder["plain"];

    /// <summary>
    /// Opens the cache over the file; both are made where they don't exist. Disposing the stream closes both.
    /// </summary>
    public PCacheStream Open()
    {
        PCacheStream stream = PCacheStream.OpenOrCreate(
            _folder["cache"],
            CacheBytes,
            new FileStream(Path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, 1),
            new PCacheOptions
            {
                SegmentSizeBytes = 1 << 20,
                PayloadCrc = true,
                StartWritebackPaused = false,
                WritebackDelay = TimeSpan.FromMilliseconds(50)
            });
        // the device has one owner: this stream
        return _bufferSize == 0 ? stream : new PCacheStream(stream.Device, _bufferSize);
    }

    public FileStream OpenControl() => new(_folder["control"], FileMode.OpenOrCreate, FileAccess.ReadWrite);

    /// <summary>Does the same to both, each freshly opened, and compares them as streams.</summary>
    public async Task BothAsync(Func<Stream, Task> action)
    {
        await using (FileStream control = OpenControl())
        {
            await action(control);
        }

        // What is done with a stream may close it, as an archive does.
        await using (PCacheStream cached = Open())
        {
            await action(cached);
        }

        await using PCacheStream again = Open();
        AssertSame(await File.ReadAllBytesAsync(_folder["control"]), again);
    }

    public Task BothAsync(Action<Stream> action) => BothAsync(stream =>
    {
        action(stream);
        return Task.CompletedTask;
    });

    /// <summary>
    /// Writes everything back and closes: from here on the plain file is complete on its own. Returns its path, and
    /// asserts that it is the control's twin.
    /// </summary>
    public string Drain()
    {
        using (PCacheStream stream = Open())
        {
            ((PCacheDevice)stream.Device).Drain();
        }

        Assert.Equal(File.ReadAllBytes(_folder["control"]), File.ReadAllBytes(Path));
        return Path;
    }

    public static byte[] Bytes(int length, int seed)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes.AsSpan(0, length / 2)); // half of it can be packed
        return bytes;
    }

    public void Dispose() => _folder.Dispose();

    private static void AssertSame(byte[] expected, Stream found)
    {
        Assert.Equal(expected.Length, found.Length);
        byte[] bytes = new byte[expected.Length];
        found.Position = 0;
        found.ReadExactly(bytes);
        int same = expected.AsSpan().CommonPrefixLength(bytes);
        Assert.True(same == expected.Length, $"first difference at {same} of {expected.Length}");
    }
}
