// Keeps true:
// * A mapping that was asked for with MAP_SYNC has it: MAP_SHARED_VALIDATE makes the kernel refuse flags that it
//   can't honour.
// * No page is touched before the advice is given: a page cache that reads ahead makes large folios, and one dirty
//   byte then costs the write of a whole folio.
// * Sync reports an error of any page of its range.
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Pmem;

/// <summary>A mapping by mmap.</summary>
internal sealed class UnixFileMapping : FileMapping
{
    private readonly SafeFileHandle _file;
    private readonly long _lengthBytes;
    private int _disposed;

    public UnixFileMapping(SafeFileHandle file, long lengthBytes, bool readOnly, bool synchronous)
    {
        _file = file;
        _lengthBytes = lengthBytes;
        int protection = readOnly ? UnixNative.ProtRead : UnixNative.ProtRead | UnixNative.ProtWrite;
        int flags = synchronous ? UnixNative.LinuxMapSharedValidate | UnixNative.LinuxMapSync : UnixNative.MapShared;
        nint address = UnixNative.Map(0, (nuint)lengthBytes, protection, flags, file, 0);
        if (address == -1)
        {
            // Kernels before 4.15 know neither flag and say "invalid".
            int error = Marshal.GetLastPInvokeError();
            throw synchronous && error is UnixNative.LinuxErrorNotSupported or UnixNative.ErrorInvalid
                ? new PCacheException("The file can't be mapped with MAP_SYNC, which Persistence.Dax needs: it isn't "
                    + "on persistent memory with a file system mounted for DAX.")
                : UnixNative.LastError("Mapping the file failed");
        }

        Address = address;
        if (!synchronous)
        {
            // Only advice: where it is refused, the mapping is as sound as before.
            _ = UnixNative.Advise(address, (nuint)lengthBytes, UnixNative.MadvRandom);
        }
    }

    public override void Prefault(bool forWriting)
    {
        if (OperatingSystem.IsLinux())
        {
            int advice = forWriting ? UnixNative.LinuxMadvPopulateWrite : UnixNative.LinuxMadvPopulateRead;
            while (UnixNative.Advise(Address, (nuint)_lengthBytes, advice) != 0)
            {
                int error = Marshal.GetLastPInvokeError();
                if (error == UnixNative.ErrorInvalid)
                {
                    // A kernel before 5.14.
                    Touch(_lengthBytes);
                    return;
                }

                if (error is not (UnixNative.ErrorInterrupted or UnixNative.LinuxErrorTryAgain))
                {
                    throw UnixNative.LastError("Making the file's pages present failed");
                }
            }
        }
        else
        {
            Touch(_lengthBytes);
        }
    }

    public override void Sync(long offset, long lengthBytes)
    {
        long start = offset & -(long)Environment.SystemPageSize;
        int flags = OperatingSystem.IsMacOS() ? UnixNative.MacMsSync : UnixNative.LinuxMsSync;
        if (UnixNative.Sync(Address + (nint)start, (nuint)(offset + lengthBytes - start), flags) != 0)
        {
            throw UnixNative.LastError("Bringing the mapped file to the disk failed");
        }

        if (OperatingSystem.IsMacOS())
        {
            // There msync leaves the data in the disk's own cache; this is F_FULLFSYNC.
            RandomAccess.FlushToDisk(_file);
        }
    }

    public override void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _ = UnixNative.Unmap(Address, (nuint)_lengthBytes);
        }
    }
}
