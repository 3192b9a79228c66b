using PCache.Core.Pmem;

namespace PCache.Lab.Soak;

/// <summary>
/// A region whose stores can be stopped, so that what a kill would leave can be copied while threads run. Keeps true: a
/// copy holds each store as a whole or not at all, in the order in which they were made; everything else is that of the
/// region behind.
/// </summary>
internal sealed unsafe class StoppableRegion(PmemRegion inner, WorldGate gate, bool? drainIsCheap = null)
    : PmemRegion((nint)inner.Memory, inner.LengthBytes, inner.Persistence, inner.IsPowerSafe, inner.IsReadOnly)
{
    public override bool DrainIsCheap { get; } = drainIsCheap ?? inner.DrainIsCheap;

    /// <summary>The bytes; whole only while the world is stopped, or no thread stores.</summary>
    public byte[] Copy() => inner.ReadSpan(0, checked((int)inner.LengthBytes)).ToArray();

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        gate.Enter();
        try
        {
            inner.Write(offset, source);
        }
        finally
        {
            gate.Exit();
        }
    }

    public override uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        gate.Enter();
        try
        {
            return inner.WriteWithCrc(offset, source, crc);
        }
        finally
        {
            gate.Exit();
        }
    }

    public override void WriteZeros(long offset, long lengthBytes)
    {
        gate.Enter();
        try
        {
            inner.WriteZeros(offset, lengthBytes);
        }
        finally
        {
            gate.Exit();
        }
    }

    public override void FlushRange(long offset, long lengthBytes) => inner.FlushRange(offset, lengthBytes);

    public override void Drain() => inner.Drain();

    public override void ReadMetadata(long offset, Span<byte> destination) => inner.ReadMetadata(offset, destination);

    /// <summary>The region behind belongs to its maker.</summary>
    protected override void Dispose(bool disposing)
    {
    }
}
