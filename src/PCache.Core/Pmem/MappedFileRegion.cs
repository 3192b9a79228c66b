// Keeps true:
// * Dax and Assumed: stores are non-temporal, so a store fence is all that Drain needs. MAP_SYNC has made the file's
//   block map durable before the first store.
// * PageCache: what the fence has made visible is in the page cache, which outlives the process. Power-safe: Drain
//   returns after the recorded ranges are on the disk.
// * The lock on the file is held as long as it is mapped, and until what the opening did is undone where it is.
// * Metadata is read through the descriptor: a media error there is an exception; through the mapping it would be a
//   signal that ends the process.
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Pmem;

/// <summary>A region over a mapped, locked file.</summary>
internal class MappedFileRegion : DirectRegion
{
    private readonly SafeFileHandle _file;
    private readonly FileMapping _mapping;
    private readonly PendingSync? _pending;
    private WatchedFile? _watch;
    private readonly string _path;
    private readonly FileMaking _made;
    private bool _abandoned;

    // Only there .NET has stores that go past the caches; elsewhere memory that the caller vouches for gives what
    // survives the process.
    private static bool StoresReachTheMedium => System.Runtime.Intrinsics.X86.Sse2.IsSupported;

    /// <summary>Takes over both file and mapping.</summary>
    public MappedFileRegion(
        SafeFileHandle file, FileMapping mapping, long lengthBytes, PmemFileOptions options, string path = "",
        FileMaking made = FileMaking.None)
        : base(
            mapping.Address, lengthBytes, options.Persistence, options.PowerSafe
                || (options.Persistence != Persistence.PageCache && StoresReachTheMedium), options.ReadOnly)
    {
        _file = file;
        _mapping = mapping;
        _path = path;
        _made = made;
        _pending = options.PowerSafe && !options.ReadOnly ? new PendingSync(mapping.Sync) : null;
    }

    /// <summary>Open and locked until the region is disposed.</summary>
    private protected SafeFileHandle File => _file;

    /// <summary>For messages.</summary>
    private protected string FilePath => _path;

    public override bool DrainIsCheap => _pending is null;

    internal override string? WatchedPath => _watch?.Name;

    /// <summary>
    /// From now on what becomes of the file's name is looked at. For a file that was opened by its name.
    /// </summary>
    internal void Watch() => _watch = new WatchedFile(_file, _path);

    internal override StorageChange LookAtFile()
    {
        try
        {
            bool isShorter = _watch?.Facts is { Kind: FileKind.Regular } && RandomAccess.GetLength(_file) < LengthBytes;
            return isShorter ? StorageChange.Shorter : _watch?.Look() ?? StorageChange.None;
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            return StorageChange.None; // can't be told
        }
    }

    public override void FlushRange(long offset, long lengthBytes)
    {
        _ = CheckedAddress(offset, lengthBytes);
        if (_pending is not null)
        {
            // The drain may come from another thread, which can't wait for this one's stores.
            NonTemporalCopy.StoreFence();
            _pending.Add(offset, lengthBytes);
        }
    }

    public override void Drain()
    {
        ThrowIfDisposed();
        NonTemporalCopy.StoreFence();
        _pending?.Drain();
    }

    public override void ReadMetadata(long offset, Span<byte> destination)
    {
        _ = CheckedAddress(offset, destination.Length);
        while (!destination.IsEmpty)
        {
            int read = RandomAccess.Read(_file, destination, offset);
            if (read <= 0)
            {
                throw new IOException(
                    $"The file ends at byte {offset}, before the mapped {LengthBytes} bytes: it was cut while in use.");
            }

            offset += read;
            destination = destination[read..];
        }
    }

    /// <summary>
    /// Disposes the region and, still under the file's lock, takes back what opening it has done to the file: for
    /// openings that fail later on.
    /// </summary>
    internal override void Abandon()
    {
        _abandoned = true;
        Dispose();
    }

    private protected override void Release()
    {
        _mapping.Dispose();
        if (_abandoned)
        {
            FileOpening.Undo(_file, _path, _made);
        }

        FileLock.Release(_file);
        _file.Dispose();
    }

    private unsafe nint CheckedAddress(long offset, long lengthBytes) => (nint)Checked(offset, lengthBytes);
}
