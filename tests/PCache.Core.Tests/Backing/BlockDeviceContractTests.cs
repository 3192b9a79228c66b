// What every device keeps, whatever is behind it; a derived class per kind says how to make one. Sync and async are the
// same test: `viaAsync` picks the member. All offsets are in units of the kind's block size, so that the same tests run
// over kinds with any.

namespace PCache.Core.Tests.Backing;

public abstract partial class BlockDeviceContractTests : IDisposable
{
    private readonly Lazy<Support.TempFolder> _folder = new(() => new Support.TempFolder());

    protected abstract bool CanResize { get; }

    protected virtual int BlockSize => 1;

    protected string Folder => _folder.Value.Path;

    // A unit that is awkward (no power of two) where the kind lets it be.
    private int Unit => BlockSize == 1 ? 333 : BlockSize;

    public void Dispose()
    {
        if (_folder.IsValueCreated)
        {
            _folder.Value.Dispose();
        }

        GC.SuppressFinalize(this);
    }

    [Fact]
    public void It_says_what_it_is()
    {
        using IBlockDevice device = Create(10 * Unit);
        Assert.Equal(10 * Unit, device.Length);
        Assert.Equal(BlockSize, device.BlockSize);
        Assert.Equal(CanResize, device.CanResize);
        Assert.True(device.CanWrite);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task New_space_reads_as_zeros(bool viaAsync)
    {
        using IBlockDevice device = Create(4 * Unit);
        byte[] buffer = Filled(4 * Unit, 0xEE);
        Assert.Equal(4 * Unit, await ReadAsync(device, viaAsync, 0, buffer));
        Assert.False(buffer.AsSpan().ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(false, 1)]
    [InlineData(true, 2)]
    public async Task Random_operations_agree_with_an_array(bool viaAsync, int seed)
    {
        var random = new Random(seed);
        int length = 600 * Unit;
        using IBlockDevice device = Create(length);
        byte[] model = new byte[length];
        for (int i = 0; i < 300; i++)
        {
            int offset = random.Next(600) * Unit;
            int count = Math.Min(random.Next(1, random.Next(2) == 0 ? 4 : 400) * Unit, length - offset);
            WriteDurability durability = random.Next(20) == 0 ? WriteDurability.ForceUnitAccess
                : WriteDurability.Normal;
            switch (random.Next(5))
            {
                case 0:
                    await WriteZeroesAsync(device, viaAsync, offset, count, durability);
                    model.AsSpan(offset, count).Clear();
                    break;
                case 1 or 2:
                    byte[] data = new byte[count];
                    random.NextBytes(data);
                    await WriteAsync(device, viaAsync, offset, data, durability);
                    data.CopyTo(model, offset);
                    break;
                default:
                    byte[] found = new byte[count];
                    Assert.Equal(count, await ReadAsync(device, viaAsync, offset, found));
                    Assert.True(model.AsSpan(offset, count).SequenceEqual(found),
                        $"step {i}: {count} bytes at {offset}");
                    break;
            }
        }

        byte[] all = new byte[length];
        Assert.Equal(length, await ReadAsync(device, viaAsync, 0, all));
        Assert.Equal(model, all);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_read_is_short_only_at_the_end(bool viaAsync)
    {
        using IBlockDevice device = Create(3 * Unit);
        await WriteAsync(device, viaAsync, 0, Filled(3 * Unit, 7));
        byte[] buffer = Filled(4 * Unit, 0xEE);
        Assert.Equal(2 * Unit, await ReadAsync(device, viaAsync, Unit, buffer));
        Assert.Equal(Filled(2 * Unit, 7), buffer[..(2 * Unit)]);
        Assert.Equal(Filled(2 * Unit, 0xEE), buffer[(2 * Unit)..]);
        long last = long.MaxValue / BlockSize * BlockSize - (BlockSize == 1 ? 3 : 0);
        foreach (long offset in (long[])[3 * Unit, 30 * Unit, 1L << 50, last])
        {
            Assert.Equal(0, await ReadAsync(device, viaAsync, offset, buffer));
        }

        Assert.Equal(0, await ReadAsync(device, viaAsync, Unit, []));
        Assert.Equal(0, await ReadAsync(device, viaAsync, 9 * Unit, []));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Bad_arguments_are_refused_and_change_nothing(bool viaAsync)
    {
        using IBlockDevice device = Create(2 * Unit);
        await WriteAsync(device, viaAsync, 0, Filled(2 * Unit, 7));
        byte[] one = new byte[Unit];
        long last = long.MaxValue / Unit * Unit;
        await Refused(() => ReadAsync(device, viaAsync, -1, one));
        await Refused(() => WriteAsync(device, viaAsync, -1, one));
        await Refused(() => WriteAsync(device, viaAsync, long.MinValue, one));
        await Refused(() => WriteAsync(device, viaAsync, last, one));
        await Refused(() => WriteAsync(device, viaAsync, 0, one, (WriteDurability)3));
        await Refused(() => WriteZeroesAsync(device, viaAsync, -1, Unit));
        await Refused(() => WriteZeroesAsync(device, viaAsync, 0, -1));
        await Refused(() => WriteZeroesAsync(device, viaAsync, last, last));
        await Refused(() => DiscardAsync(device, viaAsync, -1, Unit));
        await Refused(() => DiscardAsync(device, viaAsync, 0, -1));
        if (CanResize)
        {
            await Refused(() => SetLengthAsync(device, viaAsync, -1));
        }

        await HoldsAsync(device, viaAsync, Filled(2 * Unit, 7));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Writing_past_the_end_grows_or_is_refused(bool viaAsync)
    {
        using IBlockDevice device = Create(2 * Unit);
        await WriteAsync(device, viaAsync, 0, Filled(2 * Unit, 7));
        if (!CanResize)
        {
            await Refused(() => WriteAsync(device, viaAsync, Unit, new byte[2 * Unit]));
            await Refused(() => WriteAsync(device, viaAsync, 2 * Unit, new byte[Unit]));
            await Refused(() => WriteZeroesAsync(device, viaAsync, Unit, 2 * Unit));
            await Assert.ThrowsAsync<NotSupportedException>(() => SetLengthAsync(device, viaAsync, 3 * Unit));
            await HoldsAsync(device, viaAsync, Filled(2 * Unit, 7));
            return;
        }

        await WriteAsync(device, viaAsync, Unit, Filled(2 * Unit, 8));
        await HoldsAsync(device, viaAsync, [.. Filled(Unit, 7), .. Filled(2 * Unit, 8)]);
        await WriteAsync(device, viaAsync, 500 * Unit, Filled(Unit, 9));
        await HoldsAsync(device, viaAsync,
            [.. Filled(Unit, 7), .. Filled(2 * Unit, 8), .. new byte[497 * Unit], .. Filled(Unit, 9)]);
        await WriteZeroesAsync(device, viaAsync, 500 * Unit, 300 * Unit, WriteDurability.ForceUnitAccess);
        await HoldsAsync(device, viaAsync, [.. Filled(Unit, 7), .. Filled(2 * Unit, 8), .. new byte[797 * Unit]]);
        await WriteAsync(device, viaAsync, 900 * Unit, []);
        Assert.Equal(800 * Unit, device.Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_is_cut_off_never_comes_back(bool viaAsync)
    {
        using IBlockDevice device = Create(300 * Unit);
        await WriteAsync(device, viaAsync, 0, Filled(300 * Unit, 7));
        if (!CanResize)
        {
            await Assert.ThrowsAsync<NotSupportedException>(() => SetLengthAsync(device, viaAsync, 2 * Unit));
            await HoldsAsync(device, viaAsync, Filled(300 * Unit, 7));
            return;
        }

        await SetLengthAsync(device, viaAsync, 2 * Unit);
        await HoldsAsync(device, viaAsync, Filled(2 * Unit, 7));
        await SetLengthAsync(device, viaAsync, 350 * Unit);
        await HoldsAsync(device, viaAsync, [.. Filled(2 * Unit, 7), .. new byte[348 * Unit]]);
        await SetLengthAsync(device, viaAsync, 0);
        await WriteAsync(device, viaAsync, 300 * Unit, Filled(Unit, 8));
        await HoldsAsync(device, viaAsync, [.. new byte[300 * Unit], .. Filled(Unit, 8)]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Discarding_touches_nothing_outside_its_range(bool viaAsync)
    {
        using IBlockDevice device = Create(600 * Unit);
        await WriteAsync(device, viaAsync, 0, Filled(600 * Unit, 7));
        await DiscardAsync(device, viaAsync, Unit, 598 * Unit);
        await DiscardAsync(device, viaAsync, 600 * Unit, 5 * Unit);
        await DiscardAsync(device, viaAsync, 1L << 50, 1L << 50);
        await DiscardAsync(device, viaAsync, 0, 0);
        Assert.Equal(600 * Unit, device.Length);
        byte[] found = new byte[Unit];
        foreach (long offset in (long[])[0, 599 * Unit])
        {
            Assert.Equal(Unit, await ReadAsync(device, viaAsync, offset, found));
            Assert.Equal(Filled(Unit, 7), found);
        }

        await WriteAsync(device, viaAsync, 100 * Unit, Filled(Unit, 8));
        Assert.Equal(Unit, await ReadAsync(device, viaAsync, 100 * Unit, found));
        Assert.Equal(Filled(Unit, 8), found);
        await DiscardAsync(device, viaAsync, 599 * Unit, long.MaxValue / BlockSize * BlockSize);
        Assert.Equal(600 * Unit, device.Length);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task After_disposal_everything_is_refused(bool viaAsync)
    {
        IBlockDevice device = Create(2 * Unit);
        await (viaAsync ? device.DisposeAsync() : Disposed(device));
        await (viaAsync ? Disposed(device) : device.DisposeAsync());
        byte[] one = new byte[Unit];
        await Gone(() => ReadAsync(device, viaAsync, 0, one));
        await Gone(() => WriteAsync(device, viaAsync, 0, one));
        await Gone(() => WriteZeroesAsync(device, viaAsync, 0, Unit));
        await Gone(() => DiscardAsync(device, viaAsync, 0, Unit));
        await Gone(() => FlushAsync(device, viaAsync));
        await Gone(() => SetLengthAsync(device, viaAsync, Unit));
        await Gone(() => Task.FromResult(device.Length));
    }

    [Fact]
    public async Task A_cancelled_call_does_nothing()
    {
        using IBlockDevice device = Create(2 * Unit);
        await WriteAsync(device, true, 0, Filled(2 * Unit, 7));
        var token = new CancellationToken(canceled: true);
        byte[] buffer = Filled(Unit, 0xEE);
        await Cancelled(device.ReadAsync(0, buffer, token).AsTask());
        await Cancelled(device.WriteAsync(0, buffer, WriteDurability.Normal, token).AsTask());
        await Cancelled(device.WriteAsync(0, buffer, WriteDurability.ForceUnitAccess, token).AsTask());
        await Cancelled(device.WriteZeroesAsync(0, Unit, WriteDurability.Normal, token).AsTask());
        await Cancelled(device.DiscardAsync(0, Unit, token).AsTask());
        await Cancelled(device.FlushAsync(token).AsTask());
        if (CanResize)
        {
            await Cancelled(device.SetLengthAsync(Unit, token).AsTask());
        }

        Assert.Equal(Filled(Unit, 0xEE), buffer);
        await HoldsAsync(device, true, Filled(2 * Unit, 7));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_flush_after_writes_of_any_kind_succeeds(bool viaAsync)
    {
        using IBlockDevice device = Create(2 * Unit);
        await FlushAsync(device, viaAsync);
        await WriteAsync(device, viaAsync, 0, Filled(Unit, 7), WriteDurability.ForceUnitAccess);
        await WriteAsync(device, viaAsync, 0, [], WriteDurability.ForceUnitAccess);
        await WriteAsync(device, viaAsync, Unit, Filled(Unit, 7));
        await FlushAsync(device, viaAsync);
        await HoldsAsync(device, viaAsync, Filled(2 * Unit, 7));
    }

    [Fact]
    public async Task Many_callers_at_once_each_find_their_own()
    {
        const int CallerCount = 4;
        int regionBytes = 16 * Math.Max(BlockSize, 512);
        using IBlockDevice device = Create(CallerCount * regionBytes);
        async Task CallAsync(int caller)
        {
            await Task.Yield();
            long firstSector = caller * regionBytes / 512;
            for (int round = 0; round < 8; round++)
            {
                int writeId = (caller * 100) + round;
                bool viaAsync = (caller + round) % 2 == 0;
                await WriteAsync(device, viaAsync, caller * regionBytes,
                    Support.SectorPattern.Make(firstSector, regionBytes / 512, writeId));
                byte[] found = new byte[regionBytes];
                Assert.Equal(regionBytes, await ReadAsync(device, !viaAsync, caller * regionBytes, found));
                Support.SectorPattern.Check(found, firstSector, writeId);
            }
        }

        await Task.WhenAll(Enumerable.Range(0, CallerCount).Select(CallAsync));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Pieces_of_blocks_are_refused_except_at_the_end(bool viaAsync)
    {
        using IBlockDevice device = Create((3 * BlockSize) + 100);
        if (BlockSize == 1)
        {
            await WriteAsync(device, viaAsync, 1, [7]);
            await HoldsAsync(device, viaAsync, [0, 7, .. new byte[101]]);
            return; // no piece is smaller than a block of one byte
        }

        await WriteAsync(device, viaAsync, 0, Filled((3 * BlockSize) + 100, 7));
        byte[] part = new byte[BlockSize - 1];
        await Misaligned(() => ReadAsync(device, viaAsync, 0, part));
        await Misaligned(() => ReadAsync(device, viaAsync, 1, new byte[BlockSize]));
        await Misaligned(() => WriteAsync(device, viaAsync, 0, part));
        await Misaligned(() => WriteAsync(device, viaAsync, BlockSize / 2, new byte[BlockSize]));
        await Misaligned(() => WriteZeroesAsync(device, viaAsync, BlockSize, 1));
        await Misaligned(() => DiscardAsync(device, viaAsync, 1, BlockSize));
        await Misaligned(() => DiscardAsync(device, viaAsync, 0, 1));
        await HoldsAsync(device, viaAsync, Filled((3 * BlockSize) + 100, 7));
        await WriteAsync(device, viaAsync, 3 * BlockSize, Filled(100, 8));
        byte[] end = new byte[100];
        Assert.Equal(100, await ReadAsync(device, viaAsync, 3 * BlockSize, end));
        Assert.Equal(Filled(100, 8), end);
    }

    protected abstract IBlockDevice Create(long lengthBytes);

    protected static byte[] Filled(int lengthBytes, byte value)
    {
        byte[] bytes = new byte[lengthBytes];
        bytes.AsSpan().Fill(value);
        return bytes;
    }
}
