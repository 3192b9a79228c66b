// Keeps true: reads and writes go to memory that is there already, without a lock; a sector that is read while it is
// written may be torn, as on no real disk.
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.Tool.Bench;

/// <summary>A backing of memory that costs a copy and nothing else.</summary>
internal sealed class MemoryBacking : DelegatingDevice
{
    private readonly PmemRegion _memory;

    public MemoryBacking(long lengthBytes)
        : base(new NullDevice(lengthBytes))
    {
        _memory = PmemMemory.Allocate(lengthBytes);
        BenchPlaces.Fill(_memory, lengthBytes);
    }

    public override int Read(long offset, Span<byte> buffer)
    {
        int count = (int)Math.Clamp(Length - offset, 0, buffer.Length);
        _memory.ReadSpan(offset, count).CopyTo(buffer);
        return count;
    }

    public override ValueTask<int> ReadAsync(long offset, Memory<byte> buffer,
        CancellationToken cancellationToken = default) => ValueTask.FromResult(Read(offset, buffer.Span));

    public override void Write(
        long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        _memory.Write(offset, buffer);
        _memory.Drain();
    }

    public override ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        Write(offset, buffer.Span, durability);
        return ValueTask.CompletedTask;
    }

    public override void Dispose()
    {
        _memory.Dispose();
        base.Dispose();
    }
}
