using System.Runtime.InteropServices;

namespace PCache.Lab.Hostile;

/// <summary>
/// Zeroed, sparse memory between two pages that no code may touch. Keeps true: a byte before the begin or behind the
/// last page is a guard (on Unix; elsewhere it is plain memory), so that an access out there ends the process at once
/// instead of going unnoticed.
/// </summary>
internal sealed unsafe partial class GuardedMemory : IDisposable
{
    private const int ProtNone = 0;
    private const int ProtRead = 1;
    private const int ProtReadWrite = 3;
    private const int MapPrivate = 2;
    private const int NoHugePages = 15;

    private readonly nuint _mappedBytes;
    private byte* _mapping;

    /// <param name="lengthBytes">Length in bytes, rounded up to whole pages.</param>
    public GuardedMemory(long lengthBytes)
    {
        LengthBytes = (lengthBytes + PageBytes - 1) / PageBytes * PageBytes;
        _mappedBytes = (nuint)(LengthBytes + (2 * PageBytes));
        if (OperatingSystem.IsWindows())
        {
            _mapping = (byte*)NativeMemory.AlignedAlloc(_mappedBytes, (nuint)PageBytes);
            NativeMemory.Clear(_mapping, _mappedBytes);
            return;
        }

        bool linux = OperatingSystem.IsLinux();
        nint mapping = Map(0, _mappedBytes, ProtNone, MapPrivate | (linux ? 0x20 | 0x4000 : 0x1000), -1, 0);
        if (mapping == -1)
        {
            throw new InsufficientMemoryException(
                $"No {_mappedBytes} bytes of address space: error {Marshal.GetLastPInvokeError()}.");
        }

        _mapping = (byte*)mapping;
        if (linux)
        {
            _ = Advise(mapping, _mappedBytes, NoHugePages); // sparse images would fill whole huge pages
        }

        Allow(LengthBytes, readOnly: false);
    }

    public static int PageBytes { get; } = Environment.SystemPageSize;

    public long LengthBytes { get; }

    /// <summary>First byte between the guards.</summary>
    public byte* Begin => _mapping + PageBytes;

    public Span<byte> Span(long offset, long lengthBytes) => new(Begin + offset, checked((int)lengthBytes));

    /// <summary>
    /// Turns everything behind the first bytes (rounded up to a page) into a guard, and makes them read-only if asked
    /// for. Nothing is forgotten.
    /// </summary>
    public void Allow(long lengthBytes, bool readOnly)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        long allowed = (lengthBytes + PageBytes - 1) / PageBytes * PageBytes;
        if ((allowed > 0 && Protect((nint)Begin, (nuint)allowed, readOnly ? ProtRead : ProtReadWrite) != 0)
            || (allowed < LengthBytes && Protect((nint)Begin + (nint)allowed, (nuint)(LengthBytes - allowed), ProtNone)
                != 0))
        {
            throw new InvalidOperationException(
                $"The memory can't be protected: error {Marshal.GetLastPInvokeError()}.");
        }
    }

    public void Dispose()
    {
        if (_mapping is null)
        {
            return;
        }

        if (OperatingSystem.IsWindows())
        {
            NativeMemory.AlignedFree(_mapping);
        }
        else
        {
            _ = Unmap((nint)_mapping, _mappedBytes);
        }

        _mapping = null;
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint lengthBytes, int protection, int flags, int file, long offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nuint lengthBytes, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint lengthBytes);

    [LibraryImport("libc", EntryPoint = "madvise", SetLastError = true)]
    private static partial int Advise(nint address, nuint lengthBytes, int advice);
}
