// Keeps true:
// * No store and no read leaves the region, whatever offset and length are asked for; a refused call has changed nothing.
// * All stores are non-temporal, for files in the page cache too: a store that misses the processor's caches (the rule in a cache of gigabytes) needn't read the
//   line first, and what is written is seldom read again soon. docs/performance.md has the figures.
// * After disposal every method throws ObjectDisposedException. That guards against mistakes, not against races: whoever shares a region ends its users first.
using System.Runtime.CompilerServices;

namespace PCache.Core.Pmem;

/// <summary>What regions of directly mapped memory have in common: stores and their checks.</summary>
internal abstract unsafe class DirectRegion : PmemRegion
{
    private int _disposed;

    private protected DirectRegion(nint memory, long lengthBytes, Persistence persistence, bool isPowerSafe, bool isReadOnly)
        : base(memory, lengthBytes, persistence, isPowerSafe, isReadOnly)
    {
    }

    public sealed override void Write(long offset, ReadOnlySpan<byte> source)
    {
        byte* destination = Writable(offset, source.Length);
        fixed (byte* bytes = source)
        {
            NonTemporalCopy.Copy(destination, bytes, (nuint)source.Length);
        }
    }

    public sealed override uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        byte* destination = Writable(offset, source.Length);
        fixed (byte* bytes = source)
        {
            return NonTemporalCopy.CopyWithCrc(destination, bytes, (nuint)source.Length, crc);
        }
    }

    public sealed override void WriteZeros(long offset, long lengthBytes)
        => NonTemporalCopy.Zero(Writable(offset, lengthBytes), (nuint)lengthBytes);

    /// <summary>The address of a range, or the exception that its offset, its length or the region's state deserves.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private protected byte* Checked(long offset, long lengthBytes)
    {
        byte* memory = Memory;
        if (memory is null || (ulong)offset > (ulong)LengthBytes || (ulong)lengthBytes > (ulong)(LengthBytes - offset))
        {
            Refuse(offset, lengthBytes);
        }

        return memory + offset;
    }

    private protected void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Memory is null, this);

    /// <summary>Gives the memory back. Called once, when <see cref="PmemRegion.Memory"/> is already null.</summary>
    private protected abstract void Release();

    protected sealed override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Memory = null;
            Release();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* Writable(long offset, long lengthBytes)
    {
        byte* address = Checked(offset, lengthBytes);
        if (IsReadOnly)
        {
            throw new InvalidOperationException("The region is open for reading only.");
        }

        return address;
    }

    private void Refuse(long offset, long lengthBytes)
    {
        ThrowIfDisposed();
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, LengthBytes - offset);
    }
}
