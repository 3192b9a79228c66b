// Keeps true: the view's pointer is acquired once and released once, and the view lives until then. MAP_SYNC doesn't
// exist here: PmemFile refuses Dax earlier.
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace PCache.Core.Pmem;

/// <summary>
/// A mapping by the runtime's own means: for Windows, and for any system without a mapping of our own.
/// </summary>
internal sealed unsafe partial class ViewFileMapping : FileMapping
{
    private readonly SafeFileHandle _file;
    private readonly MemoryMappedFile _mappedFile;
    private readonly MemoryMappedViewAccessor _view;
    private readonly long _lengthBytes;
    private int _disposed;

    public ViewFileMapping(SafeFileHandle file, long lengthBytes, bool readOnly)
    {
        MemoryMappedFileAccess access = readOnly ? MemoryMappedFileAccess.Read : MemoryMappedFileAccess.ReadWrite;
        _file = file;
        _lengthBytes = lengthBytes;
        _mappedFile = MemoryMappedFile.CreateFromFile(
            file, null, lengthBytes, access, HandleInheritability.None, leaveOpen: true);
        try
        {
            _view = _mappedFile.CreateViewAccessor(0, lengthBytes, access);
        }
        catch
        {
            _mappedFile.Dispose();
            throw;
        }

        byte* address = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref address);
        Address = (nint)address;
    }

    public override void Prefault(bool forWriting) => Touch(_lengthBytes);

    public override void Sync(long offset, long lengthBytes)
    {
        if (!OperatingSystem.IsWindows())
        {
            _view.Flush();
        }
        else if (!FlushViewOfFile(Address + (nint)offset, (nuint)lengthBytes))
        {
            throw new IOException($"Flushing the mapped file failed: {Marshal.GetLastPInvokeErrorMessage()}");
        }

        RandomAccess.FlushToDisk(_file);
    }

    public override void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            // Unlike disposing the view, closing its handle doesn't flush first: a mapping that ends makes nothing
            // durable.
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.SafeMemoryMappedViewHandle.Dispose();
            _mappedFile.Dispose();
        }
    }

    [LibraryImport("kernel32.dll", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.System32)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool FlushViewOfFile(nint baseAddress, nuint numberOfBytesToFlush);
}
