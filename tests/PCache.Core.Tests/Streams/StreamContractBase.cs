using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Streams;

/// <summary>
/// What all stream contracts share. Keeps true: what a stream was made of outlives it, and goes with the test.
/// </summary>
public abstract class StreamContractBase : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    protected TempFolder Folder { get; } = new();

    public void Dispose()
    {
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }

        Folder.Dispose();
        GC.SuppressFinalize(this);
    }

    protected T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    protected abstract Stream Create();

    protected static byte[] Bytes(int count, int seed)
    {
        byte[] bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    protected static async Task HoldsAsync(Stream stream, byte[] expected)
    {
        long position = stream.Position;
        Assert.Equal(expected.Length, stream.Length);
        stream.Position = 0;
        byte[] found = new byte[expected.Length + 1];
        Assert.Equal(expected.Length, await stream.ReadAtLeastAsync(found, found.Length, throwOnEndOfStream: false));
        Assert.Equal(expected, found[..expected.Length]);
        stream.Position = position;
    }
}
