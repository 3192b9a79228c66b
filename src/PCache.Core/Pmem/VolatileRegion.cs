// Keeps true: the memory is zeroed, aligned to 4096, and belongs to this region alone until its disposal.
using System.Runtime.InteropServices;

namespace PCache.Core.Pmem;

/// <summary>A region of native memory.</summary>
internal sealed unsafe class VolatileRegion : DirectRegion
{
    private const int AlignmentBytes = 4096;
    private const int HugePageBytes = 2 << 20;

    // From here on the C library always asks the system for memory of its own, which goes back as a whole: the advice
    // is never left on memory of another owner.
    private const long LeastHugeBytes = 64 << 20;
    private void* _allocation;

    private VolatileRegion(void* allocation, long lengthBytes)
        : base(
            ((nint)allocation + (AlignmentBytes - 1)) & -AlignmentBytes, lengthBytes, Persistence.Volatile,
            isPowerSafe: false, isReadOnly: false)
    {
        _allocation = allocation;
    }

    public static VolatileRegion Allocate(long lengthBytes)
    {
        // Room to align in. Zeroed by the system, page by page at the first touch, where it is large.
        void* allocation = lengthBytes <= nint.MaxValue - AlignmentBytes
            ? NativeMemory.AllocZeroed((nuint)lengthBytes + AlignmentBytes)
            : throw new InsufficientMemoryException();
        if (lengthBytes >= LeastHugeBytes && OperatingSystem.IsLinux())
        {
            AdviseHugePages((nint)allocation, (nint)lengthBytes + AlignmentBytes);
        }

        return new VolatileRegion(allocation, lengthBytes);
    }

    /// <summary>
    /// Only advice, for the whole huge pages in the range; where it is refused, the memory is as sound as before.
    /// </summary>
    private static void AdviseHugePages(nint start, nint lengthBytes)
    {
        nint from = (start + (HugePageBytes - 1)) & -HugePageBytes;
        nint to = (start + lengthBytes) & -HugePageBytes;
        _ = UnixNative.Advise(from, (nuint)(to - from), UnixNative.LinuxMadvHugePage);
    }

    public override void FlushRange(long offset, long lengthBytes) => Checked(offset, lengthBytes);

    public override void Drain()
    {
        ThrowIfDisposed();
        NonTemporalCopy.StoreFence();
    }

    public override void ReadMetadata(long offset, Span<byte> destination)
        => new ReadOnlySpan<byte>(Checked(offset, destination.Length), destination.Length).CopyTo(destination);

    private protected override void Release()
    {
        NativeMemory.Free(_allocation);
        _allocation = null;
    }
}
