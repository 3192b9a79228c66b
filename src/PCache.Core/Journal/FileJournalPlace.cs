using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
using PCache.Core.Pmem;

namespace PCache.Core.Journal;

/// <summary>
/// A file of its own for the journal, beside the backing or where the caller wants it. Keeps true: it is made by the
/// first write and only its owner may read it; its name is durable before a flush returns; it is gone when nothing
/// needs it; no link is followed at a name that is found by itself.
/// </summary>
internal sealed class FileJournalPlace(string path, bool isImplied) : JournalPlace
{
    private SafeFileHandle? _file;
    private bool _writable;
    private bool _nameIsDurable;

    /// <inheritdoc/>
    public override string Name => path;

    /// <inheritdoc/>
    public override int BlockSize => 4096;

    /// <inheritdoc/>
    public override long Length => TryOpen(FileAccess.Read) is { } file ? RandomAccess.GetLength(file) : 0;

    /// <inheritdoc/>
    public override long Capacity => long.MaxValue;

    /// <inheritdoc/>
    public override bool Exists => _file is not null || File.Exists(path);

    private static bool CanMakeNamesDurable => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    /// <inheritdoc/>
    public override void Probe()
    {
        bool isThere = Exists;
        OpenForWriting();
        if (!isThere)
        {
            Remove();
        }
    }

    /// <inheritdoc/>
    public override int Read(long offset, Span<byte> buffer)
    {
        if (TryOpen(FileAccess.Read) is not { } file)
        {
            return 0;
        }

        int done = 0;
        while (done < buffer.Length)
        {
            int read = RandomAccess.Read(file, buffer[done..], offset + done);
            if (read == 0)
            {
                break;
            }

            done += read;
        }

        return done;
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> bytes) =>
        RandomAccess.Write(OpenForWriting(), bytes, offset);

    /// <inheritdoc/>
    public override void Flush()
    {
        RandomAccess.FlushToDisk(OpenForWriting());
        if (!_nameIsDurable && CanMakeNamesDurable)
        {
            UnixNative.SyncFolder(Path.GetDirectoryName(path)!);
        }

        _nameIsDurable = true;
    }

    /// <inheritdoc/>
    public override void Remove()
    {
        _file?.Dispose();
        (_file, _writable, _nameIsDurable) = (null, false, false);
        File.Delete(path);
    }

    /// <inheritdoc/>
    protected override void Close()
    {
        _file?.Dispose();
        (_file, _writable) = (null, false);
    }

    private SafeFileHandle? TryOpen(FileAccess access)
    {
        if (_file is null && File.Exists(path))
        {
            _file = PrivateFile.Open(path, access, followLinks: !isImplied);
            _writable = access == FileAccess.ReadWrite;
        }

        return _file;
    }

    private SafeFileHandle OpenForWriting()
    {
        if (_file is not null && !_writable)
        {
            Close();
        }

        if (TryOpen(FileAccess.ReadWrite) is { } file)
        {
            return file;
        }

        _file = PrivateFile.CreateNew(path, FileShare.ReadWrite | FileShare.Delete);
        _writable = true;
        return _file;
    }
}
