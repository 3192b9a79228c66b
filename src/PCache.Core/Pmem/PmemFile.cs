// Keeps true: arguments are checked before a file is touched; Dax is given or refused, never replaced by something
// weaker. What else is kept: FileOpening.
using System.Runtime.Intrinsics.X86;

namespace PCache.Core.Pmem;

/// <summary>Regions in files: on persistent memory (DAX), or in the page cache of an ordinary disk.</summary>
/// <remarks>
/// The file is locked while its region is open: against all others where it is writable, against writers where it is
/// read-only. On Unix the lock is advisory (flock): programs that don't ask for it aren't kept out. No program may
/// shorten the file meanwhile: an access beyond its new end, like one to a page that the medium can't read, ends the
/// process. Dispose the region: there is no finalizer that would unmap memory which a thread may still be reading.
/// </remarks>
public static partial class PmemFile
{
    /// <summary>Shortest file that can be a region: 4096 bytes.</summary>
    public const long MinLengthBytes = 4096;

    /// <summary>
    /// Creates a file of zeros with all its blocks allocated, and opens it. Where anything fails, the file is deleted
    /// again. On Unix it is its owner's alone, unless the options say otherwise.
    /// </summary>
    /// <param name="path">Path of a file that doesn't exist.</param>
    /// <param name="lengthBytes">Length in bytes, at least <see cref="MinLengthBytes"/>.</param>
    /// <param name="options">How to map it; null: the defaults. <see cref="PmemFileOptions.ReadOnly"/> is
    /// refused.</param>
    /// <exception cref="ArgumentException">A parameter isn't allowed, or options don't fit each other.</exception>
    /// <exception cref="IOException">The file exists, or there isn't room for it.</exception>
    /// <exception cref="PCacheException">The persistence asked for can't be had there.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="PlatformNotSupportedException">The process isn't a 64-bit one.</exception>
    public static PmemRegion Create(string path, long lengthBytes, PmemFileOptions? options = null)
    {
        (path, options) = Validate(path, lengthBytes, options);
        return FileOpening.Open(path, CacheFileUse.Create, lengthBytes, options, beforeMaking: null);
    }

    /// <summary>
    /// Opens an existing file, all of it. A writable open of a sparse file allocates its missing blocks; content and
    /// length never change.
    /// </summary>
    /// <param name="path">Path of an ordinary file or a block device.</param>
    /// <param name="options">How to map it; null: the defaults.</param>
    /// <exception cref="ArgumentException">A parameter isn't allowed, or options don't fit each other.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="PCacheInUseException">Another region, of this or another process, has the file open in a way
    /// that excludes this one.</exception>
    /// <exception cref="PCacheException">It is a directory, too short, or can't give the persistence asked
    /// for.</exception>
    /// <exception cref="IOException">The system refused, or the disk is full.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="PlatformNotSupportedException">The process isn't a 64-bit one.</exception>
    public static PmemRegion Open(string path, PmemFileOptions? options = null)
    {
        (path, options) = Validate(path, options);
        return FileOpening.Open(path, CacheFileUse.Open, 0, options, beforeMaking: null);
    }

    /// <summary>
    /// Opens a file as <see cref="Open(string, PmemFileOptions?)"/> does, or creates it as <see cref="Create"/> does
    /// where it is missing or empty.
    /// </summary>
    /// <param name="path">Path of a file, existing or not.</param>
    /// <param name="lengthBytes">Length in bytes of a new file, at least <see cref="MinLengthBytes"/>. An existing
    /// one keeps its own.</param>
    /// <param name="options">How to map it; null: the defaults. <see cref="PmemFileOptions.ReadOnly"/> is
    /// refused.</param>
    /// <exception cref="ArgumentException">A parameter isn't allowed, or options don't fit each other.</exception>
    /// <exception cref="PCacheInUseException">Another region, of this or another process, has the file
    /// open.</exception>
    /// <exception cref="PCacheException">It is a directory, too short, or can't give the persistence asked
    /// for.</exception>
    /// <exception cref="IOException">The system refused, or the disk is full.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="PlatformNotSupportedException">The process isn't a 64-bit one.</exception>
    public static PmemRegion OpenOrCreate(string path, long lengthBytes, PmemFileOptions? options = null)
    {
        (path, options) = Validate(path, lengthBytes, options);
        return FileOpening.Open(path, CacheFileUse.OpenOrCreate, lengthBytes, options, beforeMaking: null);
    }

    /// <summary>As the public ones, with arguments that are checked but for what this platform can't do.</summary>
    internal static MappedFileRegion Open(
        string path, CacheFileUse use, long lengthBytes, PmemFileOptions options, Action? beforeMaking)
    {
        (path, options) = Validate(path, options);
        return FileOpening.Open(path, use, lengthBytes, options, beforeMaking);
    }

    private static (string Path, PmemFileOptions Options) Validate(
        string path, long lengthBytes, PmemFileOptions? options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, MinLengthBytes);
        (path, options) = Validate(path, options);
        return options.ReadOnly
            ? throw new ArgumentException("A new file can't be read-only.", nameof(options))
            : (path, options);
    }

    private static (string Path, PmemFileOptions Options) Validate(string path, PmemFileOptions? options)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new PmemFileOptions();
        options.Validate(nameof(options));
        if (!Environment.Is64BitProcess)
        {
            throw new PlatformNotSupportedException("Mapping cache files needs a 64-bit process.");
        }

        if (options.Persistence == Persistence.Dax && !(OperatingSystem.IsLinux() && Sse2.X64.IsSupported))
        {
            throw new PCacheException("Persistence.Dax needs Linux on x86-64: nowhere else can .NET store past the "
                + "processor's caches into memory mapped with MAP_SYNC.");
        }

        return (Path.GetFullPath(path), options);
    }
}
