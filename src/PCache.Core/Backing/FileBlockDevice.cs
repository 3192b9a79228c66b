// A regular file or a Linux block device, by its handle. Keeps true: nothing that isn't storage becomes one; it is
// claimed before it is used (FileClaim), or refused; no shared position and no state of its own besides the handle,
// so the kernel's is the only order among concurrent calls, and Length is what the file system says, never a copy of
// it that a racing resize could make wrong.

using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Backing;

internal sealed class FileBlockDevice : CheckedBlockDevice, IBackingFile, IClaimed
{
    private readonly SafeFileHandle _handle;
    private readonly IDisposable? _owned;
    private readonly long _fixedLengthBytes;
    private readonly WatchedFile _watch;
    private readonly FileBackingOptions _options;
    private readonly FileClaim? _claim;
    private volatile bool _punches;
    private volatile bool _allocates;
    private int _closed;

    private FileBlockDevice(
        SafeFileHandle handle, IDisposable? owned, bool canWrite, string? path, FileBackingOptions options,
        LinuxBlockDeviceInfo? blockDevice)
        : base(blockDevice?.SectorBytes ?? 1, canWrite, canResize: canWrite && blockDevice is null)
    {
        _handle = handle;
        _owned = owned;
        _fixedLengthBytes = blockDevice?.LengthBytes ?? -1;
        _options = options;
        _watch = new WatchedFile(handle, path);
        _allocates = options.AllocateGrowth && CanResize && FileRoom.IsSupported;
        _punches = options.PunchHoles && !options.AllocateGrowth && CanResize && FileRoom.IsSupported;
        _claim = FileClaim.Take(
            handle, _watch.Facts, path is null ? "The backing" : $"The backing \"{SafeText.Of(path)}\"", canWrite,
            isForeign: owned != handle, options);
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

    public override bool CanDiscard => _punches;

    public string? FilePath => _options.WatchName ? _watch.Name : null;

    public UInt128 FileId => _watch.Id;

    object IClaimed.ClaimedObject => _handle;

    // The runtime's asynchronous file I/O is a synchronous call on another thread.
    internal override bool PrefersSynchronousWrites => !OperatingSystem.IsWindows();

    public StorageChange LookAtFile() => _options.WatchName && !IsDisposed ? _watch.Look() : StorageChange.None;

    /// <summary>Says what a file is that can't be a backing; null: it can.</summary>
    internal static string? NoStorage(FileFacts? facts) => facts?.Kind switch
    {
        null or FileKind.Regular or FileKind.Block => null,
        FileKind.Character => "a character device",
        FileKind.Fifo => "a pipe",
        FileKind.Socket => "a socket",
        FileKind.Directory => "a folder",
        _ => "neither a regular file nor a block device",
    };

    internal static FileBlockDevice FromFileStream(FileStream stream, bool leaveOpen, FileBackingOptions options)
    {
        // What it holds back must be in the file before anything is read past it, and nothing of its own read-ahead
        // may go stale.
        stream.Flush();
        SafeFileHandle handle = stream.SafeFileHandle;
        return new FileBlockDevice(handle, leaveOpen ? null : stream, stream.CanWrite, stream.Name, options,
            LinuxBlockDeviceInfo.TryGet(handle));
    }

    internal static FileBlockDevice Open(string path, FileAccess access, FileBackingOptions options)
    {
        path = Path.GetFullPath(path);
        RefuseNoStorage(path, TryLook(path)); // before it is opened: that may hang (a pipe) or do something (a device)
        SafeFileHandle handle = OpenHandle(path, access, options);
        try
        {
            RefuseNoStorage(path, FileFacts.Of(handle));
            _ = RandomAccess.GetLength(handle);
            return new FileBlockDevice(
                handle, handle, access == FileAccess.ReadWrite, path, options, LinuxBlockDeviceInfo.TryGet(handle));
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

    private static SafeFileHandle OpenHandle(string path, FileAccess access, FileBackingOptions options)
    {
        try
        {
            return File.OpenHandle(
                path, FileMode.Open, access, options.AllowSharing ? FileShare.ReadWrite : FileShare.Read,
                FileOptions.Asynchronous);
        }
        catch (IOException e) when (IsSharingViolation(e))
        {
            throw new PCacheInUseException($"The backing \"{SafeText.Of(path)}\" is in use by "
                + $"{DescribeHolder(path) ?? "another program, or another device of this one"}.", e);
        }
    }

    private static bool IsSharingViolation(IOException e)
    {
        const int windowsSharingViolation = unchecked((int)0x80070020);
        const int windowsLockViolation = unchecked((int)0x80070021);
        const int linuxTryAgain = 11;
        const int macTryAgain = 35;
        return OperatingSystem.IsWindows() ? e.HResult is windowsSharingViolation or windowsLockViolation
            : e.HResult == (OperatingSystem.IsLinux() ? linuxTryAgain : macTryAgain);
    }

    private static string? DescribeHolder(string path) =>
        TryLook(path) is { } facts ? FileLock.DescribeHolder(facts) : null;

    private static FileFacts? TryLook(string path)
    {
        try
        {
            return FileFacts.TryOfPath(path);
        }
        catch (IOException)
        {
            return null; // the open says why
        }
    }

    private static void RefuseNoStorage(string path, FileFacts? facts)
    {
        if (facts?.Kind != FileKind.Directory && NoStorage(facts) is { } kind)
        {
            throw new IOException($"\"{SafeText.Of(path)}\" is {kind}: what is written there isn't kept, or not where "
                + $"it was written. A backing is a regular file or a block device.");
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

    protected override async ValueTask<int> ReadAtAsync(
        long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        int done = 0;
        while (done < buffer.Length)
        {
            int read = await RandomAccess.ReadAsync(
                _handle, buffer[done..], offset + done, cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                break;
            }

            done += read;
        }

        return done;
    }

    protected override void WriteAt(long offset, ReadOnlySpan<byte> buffer) =>
        RandomAccess.Write(_handle, buffer, offset);

    protected override ValueTask WriteAtAsync(
        long offset, ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken) =>
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

    protected override void ResizeTo(long lengthBytes)
    {
        if (_allocates)
        {
            Allocate(lengthBytes);
        }

        RandomAccess.SetLength(_handle, lengthBytes);
    }

    protected override void DiscardAt(long offset, long lengthBytes)
    {
        if (!FileRoom.TryPunch(_handle, offset, lengthBytes))
        {
            _punches = false; // not on this file system
        }
    }

    protected override void WriteZeroesAt(long offset, long lengthBytes)
    {
        long inside = Math.Clamp(Length - offset, 0, lengthBytes);
        if (!_punches || inside == 0 || !FileRoom.TryPunch(_handle, offset, inside))
        {
            base.WriteZeroesAt(offset, lengthBytes);
        }
        else if (inside < lengthBytes)
        {
            base.WriteZeroesAt(offset + inside, lengthBytes - inside); // the file gets longer
        }
    }

    protected override ValueTask WriteZeroesAtAsync(
        long offset, long lengthBytes, CancellationToken cancellationToken) =>
        _punches
            ? new ValueTask(Task.Run(() => WriteZeroesAt(offset, lengthBytes), cancellationToken))
            : base.WriteZeroesAtAsync(offset, lengthBytes, cancellationToken);

    protected override ValueTask ResizeToAsync(long lengthBytes, CancellationToken cancellationToken) =>
        new(Task.Run(() => ResizeTo(lengthBytes), cancellationToken));

    // The handle counts the calls that are using it and closes after the last.
    internal override void Abandon() => GiveBack(staysOpen: true);

    protected override void Close()
    {
        GiveBack(staysOpen: _owned is null);
        _owned?.Dispose();
    }

    protected override ValueTask CloseAsync()
    {
        GiveBack(staysOpen: _owned is null);
        return _owned is IAsyncDisposable owned ? owned.DisposeAsync() : CloseNow();
    }

    private void GiveBack(bool staysOpen)
    {
        if (Interlocked.Exchange(ref _closed, 1) == 0)
        {
            _claim?.GiveBack(staysOpen);
        }
    }

    /// <summary>
    /// Takes the blocks of a growth; where there aren't that many, those that were taken already go back, and the
    /// length is as it was.
    /// </summary>
    private void Allocate(long lengthBytes)
    {
        long before = Length;
        if (lengthBytes <= before)
        {
            return;
        }

        try
        {
            _allocates = FileRoom.TryAllocate(_handle, before, lengthBytes - before);
        }
        catch (IOException)
        {
            RandomAccess.SetLength(_handle, before);
            throw;
        }
    }

    private ValueTask CloseNow()
    {
        Close();
        return ValueTask.CompletedTask;
    }
}
