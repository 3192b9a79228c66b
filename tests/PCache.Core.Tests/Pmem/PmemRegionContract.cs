using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Pmem;

/// <summary>What every writable region has to do. A kind of region is a subclass.</summary>
public abstract unsafe class PmemRegionContract : IDisposable
{
    protected const long Length = (1 << 20) + 4096;

    private readonly List<IDisposable> _owned = [];

    protected abstract Persistence Persistence { get; }

    protected virtual bool IsPowerSafe => false;

    protected virtual bool DrainIsCheap => true;

    public virtual void Dispose() => _owned.ForEach(owned => owned.Dispose());

    [Fact]
    public void Tells_what_it_is()
    {
        PmemRegion region = Make();
        Assert.Equal(Length, region.LengthBytes);
        Assert.Equal(Persistence, region.Persistence);
        Assert.Equal(IsPowerSafe, region.IsPowerSafe);
        Assert.Equal(DrainIsCheap, region.DrainIsCheap);
        Assert.False(region.IsReadOnly);
        Assert.Equal(0, (nint)region.Memory % 4096);
    }

    [Fact]
    public void Begins_as_zeros()
    {
        PmemRegion region = Make();
        Assert.False(region.ReadSpan(0, (int)Length).ContainsAnyExcept((byte)0));
        Assert.False(Metadata(region, 0, (int)Length).AsSpan().ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void Stores_are_seen_through_memory_and_as_metadata()
    {
        PmemRegion region = Make();
        byte[] model = new byte[Length];
        Random random = new(6);
        for (int i = 0; i < 300; i++)
        {
            int length = Sizes(random);
            int offset = random.Next((int)Length - length + 1) & (random.Next(3) == 0 ? -1 : -8);
            byte[] data = new byte[length];
            random.NextBytes(data);
            switch (random.Next(4))
            {
                case 0:
                    region.Write(offset, data);
                    break;
                case 1:
                    Assert.Equal(Crc32C.Append((uint)i, data), region.WriteWithCrc(offset, data, (uint)i));
                    break;
                case 2:
                    region.WriteDurably(offset, data);
                    break;
                default:
                    region.WriteZeros(offset, length);
                    data = new byte[length];
                    break;
            }

            data.CopyTo(model, offset);
            region.FlushRange(offset, length);
            if (random.Next(10) == 0)
            {
                region.Drain();
            }

            Assert.Equal(data, Metadata(region, offset, length));
        }

        region.Drain();
        Assert.True(region.ReadSpan(0, (int)Length).SequenceEqual(model));
        Assert.True(new ReadOnlySpan<byte>(region.Memory, (int)Length).SequenceEqual(model));
        Assert.Equal(model, Metadata(region, 0, (int)Length));
    }

    [Fact]
    public void The_edges_belong_to_the_region_and_nothing_beyond_does()
    {
        PmemRegion region = Make();
        region.Write(Length - 8, new byte[] { 1, 2, 3, 4, 5, 6, 7, 8 });
        region.Write(0, [9]);
        region.Write(Length, []);
        region.WriteZeros(Length, 0);
        region.FlushRange(Length, 0);
        region.FlushRange(0, Length);
        region.Drain();
        Assert.Equal(new byte[] { 8 }, Metadata(region, Length - 1, 1));
        Assert.Empty(Metadata(region, Length, 0));
        Assert.Equal(new byte[] { 9, 0 }, Metadata(region, 0, 2));
    }

    public static TheoryData<long, long> Outside => new()
    {
        { -1, 0 },
        { -1, 1 },
        { -8, 16 },
        { Length, 1 },
        { Length - 7, 8 },
        { Length + 1, 0 },
        { long.MaxValue, 1 },
        { long.MaxValue - 4, 8 },
        { long.MinValue, 8 },
        { 0, Length + 1 },
    };

    [Theory]
    [MemberData(nameof(Outside))]
    public void Ranges_outside_are_refused_and_change_nothing(long offset, long length)
    {
        PmemRegion region = Make();
        byte[] data = new byte[length];
        data.AsSpan().Fill(0xAB);
        Assert.Throws<ArgumentOutOfRangeException>(() => region.Write(offset, data));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.WriteWithCrc(offset, data, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.WriteZeros(offset, length));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.FlushRange(offset, length));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.ReadMetadata(offset, data));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.ReadSpan(offset, (int)length).Length);
        Assert.False(region.ReadSpan(0, (int)Length).ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData(0, -1)]
    [InlineData(8, -8)]
    [InlineData(0, long.MaxValue)]
    [InlineData(8, long.MaxValue)]
    [InlineData(0, long.MinValue)]
    public void Lengths_that_overflow_are_refused(long offset, long length)
    {
        PmemRegion region = Make();
        Assert.Throws<ArgumentOutOfRangeException>(() => region.WriteZeros(offset, length));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.FlushRange(offset, length));
    }

    [Fact]
    public void After_disposal_everything_is_refused()
    {
        PmemRegion region = Make();
        region.Dispose();
        region.Dispose();
        Assert.True(region.Memory is null);
        Assert.Equal(Length, region.LengthBytes);
        Assert.Throws<ObjectDisposedException>(() => region.Write(0, [1]));
        Assert.Throws<ObjectDisposedException>(() => region.WriteWithCrc(0, [1], 0));
        Assert.Throws<ObjectDisposedException>(() => region.WriteZeros(0, 1));
        Assert.Throws<ObjectDisposedException>(() => region.FlushRange(0, 1));
        Assert.Throws<ObjectDisposedException>(region.Drain);
        Assert.Throws<ObjectDisposedException>(() => region.ReadMetadata(0, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => region.ReadSpan(0, 1).Length);
    }

    [Fact]
    public void Steady_state_allocates_nothing()
    {
        PmemRegion region = Make();
        byte[] payload = new byte[4096];
        byte[] metadata = new byte[64];
        Round(region, payload, metadata);
        Assert.Equal(0, Allocations.Least(() =>
        {
            for (int i = 0; i < 20; i++)
            {
                Round(region, payload, metadata);
            }
        }));
    }

    [Fact]
    public void Threads_store_flush_and_drain_side_by_side()
    {
        PmemRegion region = Make();
        const int Share = 64 * 1024;
        Parallel.For(0, 8, new ParallelOptions { MaxDegreeOfParallelism = 4 }, worker =>
        {
            byte[] data = new byte[512];
            for (int i = 0; i < 40; i++)
            {
                long offset = (worker * Share) + (i * 512);
                data.AsSpan().Fill((byte)((worker * 40) + i));
                region.Write(offset, data);
                region.FlushRange(offset, data.Length);
                if (i % 8 == 0)
                {
                    region.Drain();
                }
            }

            region.Drain();
        });
        for (int worker = 0; worker < 8; worker++)
        {
            for (int i = 0; i < 40; i++)
            {
                ReadOnlySpan<byte> sector = region.ReadSpan((worker * Share) + (i * 512), 512);
                Assert.False(sector.ContainsAnyExcept((byte)((worker * 40) + i)));
            }
        }
    }

    /// <summary>A new region of <see cref="Length"/> zeros.</summary>
    protected abstract PmemRegion Create();

    protected T Own<T>(T disposable)
        where T : IDisposable
    {
        _owned.Insert(0, disposable);
        return disposable;
    }

    protected static byte[] Metadata(PmemRegion region, long offset, int length)
    {
        byte[] bytes = new byte[length];
        region.ReadMetadata(offset, bytes);
        return bytes;
    }

    private static void Round(PmemRegion region, byte[] payload, byte[] metadata)
    {
        region.Write(8192, payload);
        region.FlushRange(8192, payload.Length);
        _ = region.WriteWithCrc(20480, payload, 1);
        region.FlushRange(20480, payload.Length);
        region.WriteZeros(40960, 512);
        region.FlushRange(40960, 512);
        region.Drain();
        region.ReadMetadata(64, metadata);
        region.WriteDurably(64, metadata);
    }

    private static int Sizes(Random random) => random.Next(4) switch
    {
        0 => random.Next(64),
        1 => 512 * random.Next(1, 9),
        2 => 8 * random.Next(1, 400),
        _ => random.Next(70_000),
    };

    private PmemRegion Make() => Own(Create());
}
