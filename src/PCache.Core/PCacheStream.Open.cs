using PCache.Core.Pmem;

namespace PCache.Core;

/// <content>From a Stream to a cached Stream in one line.</content>
public sealed partial class PCacheStream
{
    /// <summary>The cache under this stream, for its status, drain and settings; null when the stream is a view of another kind of device.</summary>
    public PCacheDevice? Cache => _device as PCacheDevice;

    /// <summary>
    /// Opens the cache file, or creates and formats it where there is none (or only zeros), in front of a Stream. The result owns all of it: disposing it closes
    /// the cache (dirty data stays in the cache file, safely) and the backing.
    /// </summary>
    /// <param name="cachePath">The cache file.</param>
    /// <param name="cacheLengthBytes">Its length in bytes when it has to be made; an existing file keeps its length.</param>
    /// <param name="backing">The slow Stream: readable, writable, seekable.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <param name="fileOptions">How the cache file is mapped; null: through the page cache, read-only where <see cref="PCacheOptions.ReadOnly"/> is set.</param>
    /// <exception cref="ArgumentException">An argument or option is out of range; nothing was changed.</exception>
    /// <exception cref="PCacheInUseException">The cache file is in use.</exception>
    /// <exception cref="PCacheCorruptionException">The cache file is damaged; nothing was changed.</exception>
    /// <exception cref="PCacheBackingMismatchException">The cache belongs to another backing.</exception>
    /// <exception cref="PCacheException">The file holds something that is no cache.</exception>
    /// <exception cref="IOException">File or backing failed.</exception>
    public static PCacheStream OpenOrCreate(string cachePath, long cacheLengthBytes, Stream backing, PCacheOptions? options = null, PmemFileOptions? fileOptions = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(cachePath);
        ArgumentNullException.ThrowIfNull(backing);
        bool existed = File.Exists(cachePath);
        PmemFileOptions mapping = fileOptions ?? new PmemFileOptions { ReadOnly = options is { ReadOnly: true } };
        PmemRegion region = mapping.ReadOnly ? PmemFile.Open(cachePath, mapping) : PmemFile.OpenOrCreate(cachePath, cacheLengthBytes, mapping);
        try
        {
            return OpenOrCreate(region, backing, options);
        }
        catch
        {
            region.Dispose();
            if (!existed)
            {
                File.Delete(cachePath);
            }

            throw;
        }
    }

    /// <summary>The same over a region of the caller's, which the result owns from then on.</summary>
    /// <inheritdoc cref="OpenOrCreate(string, long, Stream, PCacheOptions?, PmemFileOptions?)"/>
    /// <param name="region">Where the cache is or goes.</param>
    /// <param name="backing">The slow Stream.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    public static PCacheStream OpenOrCreate(PmemRegion region, Stream backing, PCacheOptions? options = null) =>
        new(PCacheDevice.OpenOrCreate(region, backing, options));
}
