// From paths and Streams to a cached Stream. Keeps true: a call that fails leaves no file, no lock and no descriptor
// of its own; a backing that was given as a Stream stays the caller's then, one that was given by its path is closed.

using PCache.Core.Pmem;

namespace PCache.Core;

/// <content>From a Stream, or the path of one, to a cached Stream in one line.</content>
public sealed partial class PCacheStream
{
    /// <summary>
    /// The cache under this stream, for its status, drain and settings; null when the stream is a view of another
    /// kind of device.
    /// </summary>
    public PCacheDevice? Cache => _device as PCacheDevice;

    /// <summary>
    /// Opens the cache file, or creates and formats it where there is none (or only zeros), in front of a Stream. The
    /// result owns all of it: disposing it closes the cache (dirty data stays in the cache file, safely) and the
    /// backing. After a call that failed the backing is still the caller's, and the cache file is as it was.
    /// </summary>
    /// <param name="cachePath">The cache file. On Unix a new one gets the rights of a backing that is a file, and is
    /// its owner's alone otherwise (see <see cref="PmemFileOptions.UnixMode"/>).</param>
    /// <param name="cacheLengthBytes"> Its length in bytes when it has to be made: at least
    /// <see cref="PCacheOptions.LogReserveSegments"/> + 2 segments and 20 KiB. An existing file keeps its length.
    /// </param>
    /// <param name="backing">The slow Stream: readable, writable, seekable.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <param name="fileOptions">How the cache file is made and mapped; null: through the page cache, read-only where
    /// <see cref="PCacheOptions.ReadOnly"/> is set.</param>
    /// <param name="bufferSize">Size in bytes of the result's own buffer, as in
    /// <see cref="PCacheStream(IBlockDevice, int, bool)"/>; 0 or 1 for none.</param>
    /// <exception cref="ArgumentException">An argument or option is out of range; nothing was changed.</exception>
    /// <exception cref="PCacheInUseException">The cache file is in use.</exception>
    /// <exception cref="PCacheCorruptionException">The cache file is damaged; nothing was changed.</exception>
    /// <exception cref="PCacheBackingMismatchException">The cache belongs to another backing.</exception>
    /// <exception cref="PCacheLostWritesException">Writes are lost already; see
    /// <see cref="PCacheOptions.AcceptLostWrites"/>.</exception>
    /// <exception cref="PCacheException">The file holds something that is no cache.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="IOException">File or backing failed.</exception>
    public static PCacheStream OpenOrCreate(
        string cachePath, long cacheLengthBytes, Stream backing, PCacheOptions? options = null,
        PmemFileOptions? fileOptions = null, int bufferSize = 0) =>
        OnStream(CacheFileUse.OpenOrCreate, cachePath, cacheLengthBytes, backing, options, fileOptions, bufferSize);

    /// <summary>
    /// As <see cref="OpenOrCreate(string, long, Stream, PCacheOptions?, PmemFileOptions?, int)"/>, in front of a file
    /// or, on Linux, a block device, which is opened for it (read-only where <see cref="PCacheOptions.ReadOnly"/> is
    /// set) and closed with it, also where the call fails.
    /// </summary>
    /// <param name="cachePath">The cache file. On Unix a new one gets the rights of the backing (see
    /// <see cref="PmemFileOptions.UnixMode"/>).</param>
    /// <param name="cacheLengthBytes"> Its length in bytes when it has to be made: at least
    /// <see cref="PCacheOptions.LogReserveSegments"/> + 2 segments and 20 KiB. An existing file keeps its length.
    /// </param>
    /// <param name="backingPath">The slow file. It must exist: a backing is never made, so that a mistyped name isn't
    /// taken for a new one.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <param name="fileOptions">How the cache file is made and mapped; null: through the page cache, read-only where
    /// <see cref="PCacheOptions.ReadOnly"/> is set.</param>
    /// <param name="bufferSize">Size in bytes of the result's own buffer, as in
    /// <see cref="PCacheStream(IBlockDevice, int, bool)"/>; 0 or 1 for none.</param>
    /// <inheritdoc cref="OpenOrCreate(string, long, Stream, PCacheOptions?, PmemFileOptions?, int)"/>
    /// <exception cref="FileNotFoundException">There is no such backing.</exception>
    public static PCacheStream OpenOrCreate(
        string cachePath, long cacheLengthBytes, string backingPath, PCacheOptions? options = null,
        PmemFileOptions? fileOptions = null, int bufferSize = 0) =>
        OnPath(CacheFileUse.OpenOrCreate, cachePath, cacheLengthBytes, backingPath, options, fileOptions, bufferSize);

    /// <summary>
    /// Makes a new cache file in front of a Stream and opens it. A file that exists is refused, unless
    /// <see cref="PCacheOptions.OverwriteExisting"/> consents to destroy what it holds; it keeps its length then.
    /// </summary>
    /// <inheritdoc cref="OpenOrCreate(string, long, Stream, PCacheOptions?, PmemFileOptions?, int)"/>
    public static PCacheStream Create(
        string cachePath, long cacheLengthBytes, Stream backing, PCacheOptions? options = null,
        PmemFileOptions? fileOptions = null, int bufferSize = 0) =>
        OnStream(CacheFileUse.Create, cachePath, cacheLengthBytes, backing, options, fileOptions, bufferSize);

    /// <summary>
    /// As <see cref="Create(string, long, Stream, PCacheOptions?, PmemFileOptions?, int)"/>, in front of a file,
    /// which is opened for it and closed with it.
    /// </summary>
    /// <inheritdoc cref="OpenOrCreate(string, long, string, PCacheOptions?, PmemFileOptions?, int)"/>
    public static PCacheStream Create(
        string cachePath, long cacheLengthBytes, string backingPath, PCacheOptions? options = null,
        PmemFileOptions? fileOptions = null, int bufferSize = 0) =>
        OnPath(CacheFileUse.Create, cachePath, cacheLengthBytes, backingPath, options, fileOptions, bufferSize);

    /// <summary>Opens an existing cache file in front of a Stream. Never makes or formats one.</summary>
    /// <inheritdoc cref="OpenOrCreate(string, long, Stream, PCacheOptions?, PmemFileOptions?, int)"/>
    /// <exception cref="FileNotFoundException">There is no such cache file.</exception>
    /// <exception cref="PCacheNotFormattedException">There is no complete cache in the file.</exception>
    public static PCacheStream Open(
        string cachePath, Stream backing, PCacheOptions? options = null, PmemFileOptions? fileOptions = null,
        int bufferSize = 0) =>
        OnStream(CacheFileUse.Open, cachePath, 0, backing, options, fileOptions, bufferSize);

    /// <summary>
    /// As <see cref="Open(string, Stream, PCacheOptions?, PmemFileOptions?, int)"/>, in front of a file, which is
    /// opened for it and closed with it.
    /// </summary>
    /// <inheritdoc cref="OpenOrCreate(string, long, string, PCacheOptions?, PmemFileOptions?, int)"/>
    /// <exception cref="FileNotFoundException">There is no such cache file, or no such backing.</exception>
    /// <exception cref="PCacheNotFormattedException">There is no complete cache in the file.</exception>
    public static PCacheStream Open(
        string cachePath, string backingPath, PCacheOptions? options = null, PmemFileOptions? fileOptions = null,
        int bufferSize = 0) =>
        OnPath(CacheFileUse.Open, cachePath, 0, backingPath, options, fileOptions, bufferSize);

    /// <summary>The same over a region of the caller's, which the result owns from then on.</summary>
    /// <inheritdoc cref="OpenOrCreate(string, long, Stream, PCacheOptions?, PmemFileOptions?, int)"/>
    /// <param name="region">Where the cache is or goes.</param>
    /// <param name="backing">The slow Stream.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <param name="bufferSize">Size in bytes of the result's own buffer; 0 or 1 for none.</param>
    public static PCacheStream OpenOrCreate(
        PmemRegion region, Stream backing, PCacheOptions? options = null, int bufferSize = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bufferSize);
        return new PCacheStream(PCacheDevice.OpenOrCreate(region, backing, options), bufferSize);
    }

    private static PCacheStream OnStream(
        CacheFileUse use, string cachePath, long cacheLengthBytes, Stream backing, PCacheOptions? options,
        PmemFileOptions? fileOptions, int bufferSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bufferSize);
        PCacheOptions settings = PCacheDevice.CheckFileArguments(
            ref use, ref cachePath, cacheLengthBytes, options, ref fileOptions);
        IBlockDevice device = BlockDevice.FromBacking(backing, settings.LeaveBackingOpen);
        return new PCacheStream(PCacheDevice.OnFile(
            use, cachePath, cacheLengthBytes, device, settings, fileOptions, CancellationToken.None), bufferSize);
    }

    private static PCacheStream OnPath(
        CacheFileUse use, string cachePath, long cacheLengthBytes, string backingPath, PCacheOptions? options,
        PmemFileOptions? fileOptions, int bufferSize)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bufferSize);
        backingPath = PCacheDevice.FullPath(backingPath, nameof(backingPath));
        PCacheOptions settings = PCacheDevice.CheckFileArguments(
            ref use, ref cachePath, cacheLengthBytes, options, ref fileOptions);
        if (settings.LeaveBackingOpen)
        {
            throw new ArgumentException("PCacheOptions.LeaveBackingOpen must be false where the backing is given by "
                + "its path: nothing else would close the file.", nameof(options));
        }

        IBlockDevice backing = OpenBacking(backingPath, settings.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite);
        try
        {
            return new PCacheStream(PCacheDevice.OnFile(
                use, cachePath, cacheLengthBytes, backing, settings, fileOptions, CancellationToken.None), bufferSize);
        }
        catch (ArgumentException e) when (e.ParamName == nameof(backing))
        {
            backing.Dispose();
            throw new ArgumentException(e.Message, nameof(backingPath), e);
        }
        catch
        {
            backing.Dispose();
            throw;
        }
    }

    private static IBlockDevice OpenBacking(string backingPath, FileAccess access)
    {
        try
        {
            return BlockDevice.OpenFile(backingPath, access);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileNotFoundException($"There is no backing '{PCache.Core.Files.SafeText.Of(backingPath)}': it "
                + $"must exist before a cache is put in front of it.", backingPath, e);
        }
    }
}
