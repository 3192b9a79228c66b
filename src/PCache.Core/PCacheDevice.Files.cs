// From a cache file to a device. Keeps true:
// * All that can be found wrong in the arguments is found before any file is touched, and named as the caller has
//   named it.
// * A call that fails leaves no file, no length and no lock that wasn't there before: what it undoes, it undoes under
//   the file's lock, and only what it has done itself.

using PCache.Core.Backing;
using PCache.Core.Opening;
using PCache.Core.Pmem;

namespace PCache.Core;

/// <content>Caches in files, by their paths.</content>
public sealed partial class PCacheDevice
{
    /// <summary>
    /// Opens the cache file, or creates and formats it where there is none (or an empty one, or one of only zeros).
    /// Of a call that failed nothing is left; the backing stays the caller's.
    /// </summary>
    /// <param name="cachePath">The cache file.</param>
    /// <param name="cacheLengthBytes"> Its length in bytes when it has to be made: at least
    /// <see cref="PCacheOptions.LogReserveSegments"/> + 2 segments and 20 KiB. An existing file keeps its length.
    /// </param>
    /// <param name="backing">What the cache stands in front of.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <param name="fileOptions">How the cache file is made and mapped; null: through the page cache, read-only where
    /// <see cref="PCacheOptions.ReadOnly"/> is set.</param>
    /// <returns>The device. It owns the file's region and the backing.</returns>
    /// <exception cref="ArgumentException">An argument or option is out of range; nothing was changed.</exception>
    /// <exception cref="FileNotFoundException">The cache file isn't there, and the cache is to be read
    /// only.</exception>
    /// <exception cref="PCacheInUseException">The cache file is in use.</exception>
    /// <exception cref="PCacheCorruptionException">The cache file is damaged; nothing was changed.</exception>
    /// <exception cref="PCacheBackingMismatchException">The cache belongs to another backing.</exception>
    /// <exception cref="PCacheLostWritesException">Writes are lost already; see
    /// <see cref="PCacheOptions.AcceptLostWrites"/>.</exception>
    /// <exception cref="PCacheException">The file holds something that is no cache.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="IOException">File or backing failed.</exception>
    public static PCacheDevice OpenOrCreate(
        string cachePath, long cacheLengthBytes, IBlockDevice backing, PCacheOptions? options = null,
        PmemFileOptions? fileOptions = null) =>
        OnFile(CacheFileUse.OpenOrCreate, cachePath, cacheLengthBytes, backing, options, fileOptions,
            CancellationToken.None);

    /// <summary>
    /// As <see cref="OpenOrCreate(string, long, IBlockDevice, PCacheOptions?, PmemFileOptions?)"/>, on a thread of
    /// the pool; cancelled as <see cref="OpenAsync"/> is.
    /// </summary>
    /// <inheritdoc cref="OpenOrCreate(string, long, IBlockDevice, PCacheOptions?, PmemFileOptions?)"/>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Task<PCacheDevice> OpenOrCreateAsync(
        string cachePath, long cacheLengthBytes, IBlockDevice backing, PCacheOptions? options = null,
        PmemFileOptions? fileOptions = null, CancellationToken cancellationToken = default) =>
        Task.Run(
            () => OnFile(CacheFileUse.OpenOrCreate, cachePath, cacheLengthBytes, backing, options, fileOptions,
                cancellationToken), cancellationToken);

    internal static PCacheDevice OnFile(
        CacheFileUse use,
        string cachePath,
        long cacheLengthBytes,
        IBlockDevice backing,
        PCacheOptions? options,
        PmemFileOptions? fileOptions,
        CancellationToken cancellationToken)
    {
        PCacheOptions settings = CheckFileArguments(ref use, ref cachePath, cacheLengthBytes, options, ref fileOptions);
        ArgumentNullException.ThrowIfNull(backing);
        DeviceSetup.CheckBacking(backing, settings);
        bool format = use == CacheFileUse.Create;
        PmemFileOptions mapping = fileOptions! with { Model = (backing as FileBlockDevice)?.Facts };
        MappedFileRegion region = PmemFile.Open(
            cachePath, FileUse(use, settings), cacheLengthBytes, mapping, CheckLength);
        try
        {
            // An existing file that is blank is formatted, and keeps its own length.
            if (!region.IsReadOnly && DeviceSetup.WhyTooSmall($"'{cachePath}'", region.LengthBytes, settings) is { } why
                && (format || DeviceSetup.IsBlank(region)))
            {
                throw new ArgumentException(why, nameof(cachePath));
            }

            return format ? Create(region, backing, settings, cancellationToken)
                : use == CacheFileUse.Open ? Open(region, backing, settings, cancellationToken)
                : OpenOrCreate(region, backing, settings, cancellationToken);
        }
        catch
        {
            region.Abandon();
            throw;
        }

        void CheckLength()
        {
            if (DeviceSetup.WhyTooSmall("A cache of that length", cacheLengthBytes, settings) is { } why)
            {
                throw new ArgumentOutOfRangeException(nameof(cacheLengthBytes), cacheLengthBytes, why);
            }
        }
    }

    /// <summary>Checks all but the backing, which a caller may have to open first.</summary>
    internal static PCacheOptions CheckFileArguments(
        ref CacheFileUse use, ref string cachePath, long cacheLengthBytes, PCacheOptions? options,
        ref PmemFileOptions? fileOptions)
    {
        cachePath = FullPath(cachePath, nameof(cachePath));
        PCacheOptions settings = DeviceSetup.ValidateOptions(options, creating: use == CacheFileUse.Create);
        if (settings.LeaveRegionOpen)
        {
            throw new ArgumentException("PCacheOptions.LeaveRegionOpen must be false where the cache is given by its "
                + "path: nothing else would close the file.", nameof(options));
        }

        fileOptions ??= new PmemFileOptions { ReadOnly = settings.ReadOnly };
        fileOptions.Validate(nameof(fileOptions));
        if (fileOptions.ReadOnly && !settings.ReadOnly)
        {
            throw new ArgumentException("PmemFileOptions.ReadOnly is set, but not PCacheOptions.ReadOnly: a cache that "
                + "is to be written needs a writable file.", nameof(fileOptions));
        }

        use = fileOptions.ReadOnly ? CacheFileUse.Open : use;
        if (use != CacheFileUse.Open)
        {
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(cacheLengthBytes);
        }

        return settings;
    }

    internal static string FullPath(string path, string parameterName)
    {
        ArgumentException.ThrowIfNullOrEmpty(path, parameterName);
        return path.Contains('\0', StringComparison.Ordinal)
            ? throw new ArgumentException("The path has a NUL character.", parameterName)
            : Path.GetFullPath(path);
    }

    // With the consent to destroy what is there, a file that is there will do.
    private static CacheFileUse FileUse(CacheFileUse use, PCacheOptions settings) =>
        use == CacheFileUse.Create && settings.OverwriteExisting ? CacheFileUse.OpenOrCreate : use;
}
