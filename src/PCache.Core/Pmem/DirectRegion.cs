// Keeps true:
// * No store and no read leaves the region, whatever offset and length are asked for; a refused call has changed
//   nothing.
// * On persistent memory (Dax, Assumed) every store is non-temporal. In the page cache and in volatile memory only
//   long ranges are: that is faster, because a line that misses the processor's caches (the rule in a cache of
//   gigabytes) needn't be read first. Short ones, metadata above all, are faster by ordinary stores: the store buffer
//   hides their misses, and the fence then finds nothing to wait for.
// * After disposal every method throws ObjectDisposedException. That guards against mistakes, not against races: the
//   owner of a shared region ends its users before it disposes the region.
using System.Runtime.CompilerServices;

namespace PCache.Core.Pmem;

/// <summary>What regions of directly mapped memory have in common: stores and their checks.</summary>
internal abstract unsafe class DirectRegion : PmemRegion
{
    private const int MaxCachedLengthBytes = 512;
    private readonly bool _mayStayInCaches;
    private int _disposed;

    private protected DirectRegion(
        nint memory, long lengthBytes, Persistence persistence, bool isPowerSafe, bool isReadOnly)
        : base(memory, lengthBytes, persistence, isPowerSafe, isReadOnly)
    {
        _mayStayInCaches = persistence is Persistence.PageCache or Persistence.Volatile;
    }

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        byte* destination = Writable(offset, source.Length);
        fixed (byte* bytes = source)
        {
            if (_mayStayInCaches && source.Length <= MaxCachedLengthBytes)
            {
                Unsafe.CopyBlockUnaligned(destination, bytes, (uint)source.Length);
            }
            else
            {
                NonTemporalCopy.Copy(destination, bytes, (nuint)source.Length);
            }
        }
    }

    public override uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        byte* destination = Writable(offset, source.Length);
        fixed (byte* bytes = source)
        {
            return NonTemporalCopy.CopyWithCrc(destination, bytes, (nuint)source.Length, crc);
        }
    }

    public override void WriteZeros(long offset, long lengthBytes)
        => NonTemporalCopy.Zero(Writable(offset, lengthBytes), (nuint)lengthBytes);

    /// <summary>
    /// The address of a range, or the exception that its offset, its length or the region's state deserves.
    /// </summary>
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
    private protected byte* Writable(long offset, long lengthBytes)
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
