using PCache.Core.Pmem;
using PCache.Core.Tests.Support;
using PCache.Core.Writeback;

namespace PCache.Core.Tests.Writeback;

/// <summary>Runs of several pieces, with gaps that are the backing's own, to backings that complete later; and whose
/// error it is when one fails.</summary>
public sealed class BackingWriterFillTests
{
    private const int Block = 4096;

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Gaps_keep_what_the_backing_has_and_pieces_come_to_their_places(int concurrency)
    {
        byte[] content = Patterns.Make(0, 6 * Block, 1);
        SimulatedDisk disk = Disks.Make(content, blockSize: Block);
        using PmemRegion region = PmemMemory.Allocate(16 * Block);
        var plan = new WritebackPlan();
        byte[] expected = content.ToArray();
        foreach ((int at, int source) in new[] { (512, 0), (1536, 512), (Block + 512, Block),
            ((4 * Block) + 2048, 2 * Block) })
        {
            byte[] piece = Patterns.Make(at, 512, 2);
            region.Write(source, piece);
            piece.CopyTo(expected, at);
            plan.Add(at, 512, source);
        }

        plan.Build(Block, content.Length, BackingWriter.MaxRunBytes);
        Assert.True(Writer(region, disk, concurrency).WriteRuns(plan, _ => true, CancellationToken.None));
        Rig.AssertSame(expected, disk.Snapshot(), "the backing");
    }

    /// <summary>
    /// A backing that returns less than it says it has: zeros in the gap would be written over what it holds.
    /// </summary>
    [Fact]
    public void Where_the_backing_reads_short_nothing_is_written()
    {
        SimulatedDisk disk = Disks.Make(Patterns.Make(0, 2 * Block, 1), blockSize: Block);
        using PmemRegion region = PmemMemory.Allocate(4 * Block);
        region.Write(0, Patterns.Make(0, Block, 3));
        var plan = new WritebackPlan();
        plan.Add(Block + 3584, 512, 0);
        plan.Build(Block, 2 * Block, BackingWriter.MaxRunBytes);
        BackingWriter writer = Writer(region, disk, 1);
        disk.Plan(new DiskFault { Operation = DiskOperation.Read, Kind = DiskFaultKind.ShortRead, Times = 1 });
        Assert.Throws<IOException>(() => writer.WriteRuns(plan, _ => true, CancellationToken.None));
        Assert.Equal(0, disk.Calls(DiskOperation.Write));
        Assert.Equal(Patterns.Make(0, 2 * Block, 1), disk.Snapshot());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    [InlineData(7)]
    public void A_write_that_fails_later_is_told(int failing)
    {
        SimulatedDisk disk = Disks.Make(32 * Block);
        using PmemRegion region = PmemMemory.Allocate(16 * Block);
        var plan = new WritebackPlan();
        for (int i = 0; i < 8; i++)
        {
            plan.Add(2 * i * Block, Block, i * Block);
        }

        plan.Build(1, 32 * Block, BackingWriter.MaxRunBytes);
        using var later = new Later(disk, 2L * failing * Block);
        BackingWriter writer = Writer(region, later, 3);
        Assert.Equal("planned", Assert.Throws<IOException>(() =>
            writer.WriteRuns(plan, _ => true, CancellationToken.None)).Message);
    }

    private static BackingWriter Writer(PmemRegion region, IBlockDevice disk, int concurrency) =>
        new(region, disk, new PCacheOptions
        {
            Maintenance = MaintenanceMode.OwnThread,
            WritebackConcurrency = concurrency
        }, () => disk.Length);

    /// <summary>Writes complete on another thread, one of them with an error.</summary>
    private sealed class Later(IBlockDevice inner, long failing) : IBlockDevice
    {
        public long Length => inner.Length;

        public int BlockSize => inner.BlockSize;

        public bool CanWrite => true;

        public bool CanResize => false;

        public bool CanDiscard => false;

        public int Read(long offset, Span<byte> buffer) => inner.Read(offset, buffer);

        public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken =
            default) => inner.ReadAsync(offset, buffer, cancellationToken);

        public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability =
            WriteDurability.Normal) => throw new InvalidOperationException("asynchronous writes only");

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability =
            WriteDurability.Normal, CancellationToken cancellationToken = default)
        {
            await Task.Yield();
            await inner.WriteAsync(offset, buffer, durability, cancellationToken);
            if (offset == failing)
            {
                throw new IOException("planned");
            }
        }

        public void Flush() => inner.Flush();

        public ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
            inner.FlushAsync(cancellationToken);

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
    }
}
