using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Errors;

/// <summary>
/// A truncation that fails halfway, a backing that is gone at the close, a cache file that a killed creation left.
/// </summary>
public sealed class AwkwardEndsTests
{
    private static readonly PCacheOptions Small =
        new() { SegmentSizeBytes = 256 << 10, WritebackDelay = TimeSpan.FromDays(1) };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_failed_truncation_was_to_cut_off_never_comes_back(bool asynchronous)
    {
        var backing = new SwitchedDevice(BlockDevice.FromMemory(1 << 20));
        byte[] ones = new byte[4096];
        ones.AsSpan().Fill(1);
        backing.Write(600_000, ones);
        using var device = PCacheDevice.Create(PmemMemory.Allocate(4 << 20), backing, Small);
        device.Write(0, ones);
        backing.WriteError = new IOException("no");
        Assert.ThrowsAny<IOException>(() => device.SetLength(500_000));
        backing.WriteError = null;
        Assert.Equal(500_000, device.Length);

        if (asynchronous)
        {
            await device.SetLengthAsync(2 << 20);
        }
        else
        {
            device.SetLength(2 << 20);
        }

        byte[] read = new byte[4096];
        device.Read(600_000, read);
        Assert.Equal(new byte[4096], read);
        device.Read(0, read);
        Assert.Equal(ones, read);
    }

    [Fact]
    public void A_backing_that_is_gone_at_the_close_costs_neither_data_nor_the_lock()
    {
        using var folder = new TempFolder();
        string path = folder["cache"];
        byte[] ones = new byte[512];
        ones.AsSpan().Fill(1);
        IBlockDevice memory = BlockDevice.FromMemory(1 << 20);
        var backing = new SwitchedDevice(memory);
        PCacheDevice device = PCacheDevice.Create(PmemFile.Create(path, 4 << 20), backing,
            Small with { LeaveBackingOpen = true, DrainOnDispose = true });
        device.Write(1 << 20, ones);
        backing.FlushError = new ObjectDisposedException("backing");
        Assert.IsType<ObjectDisposedException>(Assert.Throws<PCacheException>(device.Dispose).InnerException);
        backing.FlushError = null;
        using PCacheDevice again = PCacheDevice.Open(PmemFile.Open(path), backing, Small);
        byte[] read = new byte[512];
        again.Read(1 << 20, read);
        Assert.Equal(ones, read);
    }

    [Fact]
    public void An_empty_cache_file_is_what_a_killed_creation_leaves()
    {
        using var folder = new TempFolder();
        string path = folder.CreateFile("cache");
        var backing = new FileStream(folder.CreateFile("disk", 1 << 20), FileMode.Open);
        using PCacheStream stream = PCacheStream.OpenOrCreate(path, 4 << 20, backing, Small);
        Assert.Equal(1 << 20, stream.Length);
        Assert.Equal(4 << 20, new FileInfo(path).Length);
    }

    /// <summary>Fails writes or flushes with a given error while there is one.</summary>
    private sealed class SwitchedDevice(IBlockDevice inner) : IBlockDevice
    {
        public Exception? WriteError { get; set; }

        public Exception? FlushError { get; set; }

        public long Length => inner.Length;

        public int BlockSize => inner.BlockSize;

        public bool CanWrite => inner.CanWrite;

        public bool CanResize => inner.CanResize;

        public bool CanDiscard => inner.CanDiscard;

        public int Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

        public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken =
            default) => inner.ReadAsync(offset, buffer, cancellationToken);

        public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
        {
            Fail(WriteError);
            inner.Write(offset, buffer, durability);
        }

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability =
            WriteDurability.Normal, CancellationToken cancellationToken = default)
        {
            Fail(WriteError);
            return inner.WriteAsync(offset, buffer, durability, cancellationToken);
        }

        public void Flush()
        {
            Fail(FlushError);
            inner.Flush();
        }

        public ValueTask FlushAsync(CancellationToken cancellationToken = default)
        {
            Fail(FlushError);
            return inner.FlushAsync(cancellationToken);
        }

        public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
            inner.WriteZeroes(offset, length, durability);

        public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability =
            WriteDurability.Normal, CancellationToken cancellationToken = default) =>
            inner.WriteZeroesAsync(offset, length, durability, cancellationToken);

        public void Discard(long offset, long length) => inner.Discard(offset, length);

        public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
            inner.DiscardAsync(offset, length, cancellationToken);

        public void SetLength(long length) => inner.SetLength(length);

        public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
            inner.SetLengthAsync(length, cancellationToken);

        public void Dispose() => inner.Dispose();

        public ValueTask DisposeAsync() => inner.DisposeAsync();

        private static void Fail(Exception? error)
        {
            if (error is not null)
            {
                throw error;
            }
        }
    }
}
