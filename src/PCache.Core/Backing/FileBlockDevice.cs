// A regular file or a Linux block device, by its handle. Keeps true: no shared position and no state of its own besides the handle, so the kernel's is the only
// order among concurrent calls, and Length is what the file system says, never a copy of it that a racing resize could make wrong.

using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Backing;

internal sealed class FileBlockDevice : CheckedBlockDevice
{
    private readonly SafeFileHandle _handle;
    private readonly IDisposable? _owned;
    private readonly long _fixedLengthBytes;

    private FileBlockDevice(SafeFileHandle handle, IDisposable? owned, bool canWrite, LinuxBlockDeviceInfo? blockDevice)
        : base(blockDevice?.SectorBytes ?? 1, canWrite, canResize: canWrite && blockDevice is null)
    {
        _handle = handle;
        _owned = owned;
        _fixedLengthBytes = blockDevice?.LengthBytes ?? -1;
    }

    public override long Length
    {
        get
        {
            ThrowIfDisposed();
            return _fixedLengthBytes >= 0 ? _fixedLengthBytes : RandomAccess.GetLength(_handle);
        }
    }

    /// <summary>What the system knows of the file that is open; null where it can't tell.</summary>
    internal FileFacts? Facts => FileFacts.Of(_handle);

    // The runtime's asynchronous file I/O is a synchronous call on another thread.
    internal override bool PrefersSynchronousWrites => !OperatingSystem.IsWindows();

    internal static FileBlockDevice FromFileStream(FileStream stream, bool leaveOpen)
    {
        // What it holds back must be in the file before anything is read past it, and nothing of its own read-ahead may go stale.
        stream.Flush();
        SafeFileHandle handle = stream.SafeFileHandle;
        return new FileBlockDevice(handle, leaveOpen ? null : stream, stream.CanWrite, LinuxBlockDeviceInfo.TryGet(handle));
    }

    internal static FileBlockDevice Open(string path, FileAccess access)
    {
        SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, access, FileShare.Read, FileOptions.Asynchronous);
        try
        {
            _ = RandomAccess.GetLength(handle);
            return new FileBlockDevice(handle, handle, access == FileAccess.ReadWrite, LinuxBlockDeviceInfo.TryGet(handle));
        }
        catch (NotSupportedException e)
        {
            handle.Dispose();
            throw new IOException($"\"{path}\" can't seek: it is neither a regular file nor a block device.", e);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    protected override int ReadAt(long offset, Span<byte> buffer)
    {
        int done = 0;
        while (done < buffer.Length)
        {
            int read = RandomAccess.Read(_handle, buffer[done..], offset + done);
            if (read == 0)
            {
                break;
            }

            done += read;
        }

        return done;
    }

    protected override async ValueTask<int> ReadAtAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int done = 0;
        while (done < buffer.Length)
        {
            int read = await RandomAccess.ReadAsync(_handle, buffer[done..], offset + done, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                break;
            }

            done += read;
        }

        return done;
    }

    protected override void WriteAt(long offset, ReadOnlySpan<byte> buffer) => RandomAccess.Write(_handle, buffer, offset);

    protected override ValueTask WriteAtAsync(long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
        RandomAccess.WriteAsync(_handle, buffer, offset, cancellationToken);

    protected override void FlushAll()
    {
        // Nothing to make durable, and Windows refuses it on a handle without write access.
        if (CanWrite)
        {
            RandomAccess.FlushToDisk(_handle);
        }
    }

    // No operating system call does these asynchronously; they may take long, so another thread waits.
    protected override ValueTask FlushAllAsync(CancellationToken cancellationToken) =>
        CanWrite ? new ValueTask(Task.Run(FlushAll, cancellationToken)) : ValueTask.CompletedTask;

    protected override void ResizeTo(long lengthBytes) => RandomAccess.SetLength(_handle, lengthBytes);

    protected override ValueTask ResizeToAsync(long lengthBytes, CancellationToken cancellationToken) =>
        new(Task.Run(() => ResizeTo(lengthBytes), cancellationToken));

    // The handle counts the calls that are using it and closes after the last.
    protected override void Close() => _owned?.Dispose();

    protected override ValueTask CloseAsync() => _owned is IAsyncDisposable owned ? owned.DisposeAsync() : CloseNow();

    private ValueTask CloseNow()
    {
        Close();
        return ValueTask.CompletedTask;
    }
}
