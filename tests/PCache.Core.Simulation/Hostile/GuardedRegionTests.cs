using PCache.Lab.Hostile;

namespace PCache.Core.Simulation.Hostile;

/// <summary>The region that hostile images lie in.</summary>
public sealed unsafe class GuardedRegionTests
{
    [Fact]
    public void Undo_brings_back_what_was_stored_over()
    {
        using var memory = new GuardedMemory(3 * 4096);
        new Random(1).NextBytes(memory.Span(0, 3 * 4096));
        byte[] before = memory.Span(0, 3 * 4096).ToArray();
        var region = new GuardedRegion(memory.Begin, (3 * 4096) - 100, isReadOnly: false, readableBytes: 1 << 20);
        region.Write(4000, new byte[200]);
        region.WriteZeros(5000, 7000);
        _ = region.WriteWithCrc(0, new byte[10], 0);
        Assert.True(region.Changed);
        Assert.False(before.AsSpan().SequenceEqual(memory.Span(0, 3 * 4096)));
        region.Undo();
        Assert.False(region.Changed);
        Assert.Equal(before, memory.Span(0, 3 * 4096).ToArray());
    }

    [Fact]
    public void Stores_into_a_read_only_region_and_endless_reading_are_told()
    {
        using var memory = new GuardedMemory(4096);
        var region = new GuardedRegion(memory.Begin, 4000, isReadOnly: true, readableBytes: 100_000);
        Assert.Throws<InvalidOperationException>(() => region.Write(0, [1]));
        Assert.Throws<InvalidOperationException>(() => region.WriteZeros(0, 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.ReadMetadata(3999, new byte[2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.ReadMetadata(-1, new byte[2]));
        Assert.Throws<HostileLimitException>(() =>
        {
            for (int i = 0; i < 1000; i++)
            {
                region.ReadMetadata(0, new byte[1000]);
            }
        });
    }
}
