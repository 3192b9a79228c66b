// Keeps true:
// * A refused call has changed nothing and left nothing: no file that wasn't there before, no changed length, no lock, no descriptor, no mapping.
// * A file is mapped only under its lock: exclusive for writers, shared for readers.
// * A file mapped for writing has all its blocks, where the file system can promise them: a store never meets a full disk, which would end the process.
// * Dax is given or refused, never replaced by something weaker.
using System.Runtime.Intrinsics.X86;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Primitives;

namespace PCache.Core.Pmem;

/// <summary>Regions in files: on persistent memory (DAX), or in the page cache of an ordinary disk.</summary>
/// <remarks>
/// The file is locked while its region is open: against all others where it is writable, against writers where it is read-only. On Unix the lock is advisory
/// (flock): programs that don't ask for it aren't kept out. Nobody may shorten the file meanwhile: an access beyond its new end, like one to a page that the medium
/// can't read, ends the process. Dispose the region: there is no finalizer that would unmap memory which somebody may still be reading.
/// </remarks>
public static partial class PmemFile
{
    /// <summary>Shortest file that can be a region: 4096 bytes.</summary>
    public const long MinLengthBytes = 4096;

    /// <summary>Creates a file of zeros with all its blocks allocated, and opens it. Where anything fails, the file is deleted again.</summary>
    /// <param name="path">Path of a file that doesn't exist.</param>
    /// <param name="lengthBytes">Length in bytes, at least <see cref="MinLengthBytes"/>.</param>
    /// <param name="options">How to map it; null: the defaults. <see cref="PmemFileOptions.ReadOnly"/> is refused.</param>
    /// <exception cref="ArgumentException">A parameter isn't allowed, or options don't fit each other.</exception>
    /// <exception cref="IOException">The file exists, or there isn't room for it.</exception>
    /// <exception cref="PCacheException">The persistence asked for can't be had there.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="PlatformNotSupportedException">The process isn't a 64-bit one.</exception>
    public static PmemRegion Create(string path, long lengthBytes, PmemFileOptions? options = null)
    {
        (path, options) = Validate(path, lengthBytes, options);
        long preallocationBytes = OperatingSystem.IsLinux() ? 0 : lengthBytes;
        SafeFileHandle file = OpenLocked(path, FileMode.CreateNew, options, preallocationBytes);
        try
        {
            FileSpace.Allocate(file, path, lengthBytes);
            if (!OperatingSystem.IsWindows() && Path.GetDirectoryName(Path.GetFullPath(path)) is { } folder)
            {
                UnixNative.SyncFolder(folder);
            }

            return Map(file, path, lengthBytes, options);
        }
        catch
        {
            Delete(file, path);
            throw;
        }
    }

    /// <summary>Opens an existing file, all of it. A writable open of a sparse file allocates its missing blocks; content and length never change.</summary>
    /// <param name="path">Path of an ordinary file or a block device.</param>
    /// <param name="options">How to map it; null: the defaults.</param>
    /// <exception cref="ArgumentException">A parameter isn't allowed, or options don't fit each other.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="PCacheInUseException">Another region, of this or another process, has the file open in a way that excludes this one.</exception>
    /// <exception cref="PCacheException">It is a directory, too short, or can't give the persistence asked for.</exception>
    /// <exception cref="IOException">The system refused, or the disk is full.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="PlatformNotSupportedException">The process isn't a 64-bit one.</exception>
    public static PmemRegion Open(string path, PmemFileOptions? options = null)
    {
        (path, options) = Validate(path, options);
        return Open(path, lengthIfEmptyBytes: 0, options);
    }

    /// <summary>Opens a file as <see cref="Open(string, PmemFileOptions?)"/> does, or creates it as <see cref="Create"/> does where it is missing or empty.</summary>
    /// <param name="path">Path of a file, existing or not.</param>
    /// <param name="lengthBytes">Length in bytes of a new file, at least <see cref="MinLengthBytes"/>. An existing one keeps its own.</param>
    /// <param name="options">How to map it; null: the defaults. <see cref="PmemFileOptions.ReadOnly"/> is refused.</param>
    /// <exception cref="ArgumentException">A parameter isn't allowed, or options don't fit each other.</exception>
    /// <exception cref="PCacheInUseException">Another region, of this or another process, has the file open.</exception>
    /// <exception cref="PCacheException">It is a directory, too short, or can't give the persistence asked for.</exception>
    /// <exception cref="IOException">The system refused, or the disk is full.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    /// <exception cref="PlatformNotSupportedException">The process isn't a 64-bit one.</exception>
    public static PmemRegion OpenOrCreate(string path, long lengthBytes, PmemFileOptions? options = null)
    {
        (path, options) = Validate(path, lengthBytes, options);

        // Each may lose a race against another process that creates or deletes the file; a few rounds are enough for any that isn't a duel.
        for (int round = 0; ; round++)
        {
            try
            {
                return Open(path, lengthBytes, options);
            }
            catch (FileNotFoundException)
            {
            }

            try
            {
                return Create(path, lengthBytes, options);
            }
            catch (IOException) when (round < 3 && File.Exists(path))
            {
            }
        }
    }

    private static MappedFileRegion Open(string path, long lengthIfEmptyBytes, PmemFileOptions options)
    {
        SafeFileHandle file = OpenLocked(path, FileMode.Open, options, preallocationBytes: 0);
        try
        {
            long lengthBytes = FileSpace.Length(file, path);
            if (lengthBytes == 0 && lengthIfEmptyBytes != 0)
            {
                return OpenEmpty(file, path, lengthIfEmptyBytes, options);
            }

            if (lengthBytes < MinLengthBytes)
            {
                throw new PCacheException($"'{path}' is {(lengthBytes == 0 ? "empty" : $"{lengthBytes} bytes long")}; a region has at least {MinLengthBytes} bytes.");
            }

            if (!options.ReadOnly)
            {
                FileSpace.FillHoles(file, path, lengthBytes);
            }

            return Map(file, path, lengthBytes, options);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>An empty file is what a creation that was killed leaves.</summary>
    private static MappedFileRegion OpenEmpty(SafeFileHandle file, string path, long lengthBytes, PmemFileOptions options)
    {
        try
        {
            FileSpace.Allocate(file, path, lengthBytes);
            return Map(file, path, lengthBytes, options);
        }
        catch
        {
            RandomAccess.SetLength(file, 0);
            throw;
        }
    }

    private static SafeFileHandle OpenLocked(string path, FileMode mode, PmemFileOptions options, long preallocationBytes)
    {
        if (Directory.Exists(path))
        {
            throw new PCacheException($"'{path}' is a directory.");
        }

        try
        {
            return File.OpenHandle(
                path,
                mode,
                options.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite,
                RuleSwitch.IsBroken(BrokenRule.FileNotLocked) ? FileShare.ReadWrite : options.ReadOnly ? FileShare.Read : FileShare.None,
                FileOptions.None,
                preallocationBytes);
        }
        catch (IOException e) when (IsSharingViolation(e))
        {
            throw new PCacheInUseException($"'{path}' is in use by another process, or by another region of this one.", e);
        }
    }

    private static bool IsSharingViolation(IOException e)
    {
        const int WindowsSharingViolation = unchecked((int)0x80070020);
        const int WindowsLockViolation = unchecked((int)0x80070021);
        return OperatingSystem.IsWindows() ? e.HResult is WindowsSharingViolation or WindowsLockViolation
            : OperatingSystem.IsLinux() ? e.HResult == UnixNative.LinuxErrorTryAgain
            : e.HResult == UnixNative.MacErrorTryAgain;
    }

    private static MappedFileRegion Map(SafeFileHandle file, string path, long lengthBytes, PmemFileOptions options)
    {
        FileMapping mapping;
        try
        {
            mapping = FileMapping.Map(file, lengthBytes, options.ReadOnly, options.Persistence == Persistence.Dax);
        }
        catch (PCacheException e)
        {
            throw new PCacheException($"'{path}': {e.Message}", e);
        }

        try
        {
            if (options.Prefault)
            {
                // Made present for writing, a page counts as dirty; where drains bring pages to the disk, the first one would write the whole file.
                mapping.Prefault(forWriting: !options.ReadOnly && !options.PowerSafe);
            }

            return new MappedFileRegion(file, mapping, lengthBytes, options);
        }
        catch
        {
            mapping.Dispose();
            throw;
        }
    }

    private static void Delete(SafeFileHandle file, string path)
    {
        if (OperatingSystem.IsWindows())
        {
            file.Dispose();
            File.Delete(path);
            return;
        }

        // Still locked, so nobody else can have begun to use it.
        File.Delete(path);
        file.Dispose();
    }

    private static (string Path, PmemFileOptions Options) Validate(string path, long lengthBytes, PmemFileOptions? options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lengthBytes, MinLengthBytes);
        (path, options) = Validate(path, options);
        return options.ReadOnly ? throw new ArgumentException("A new file can't be read-only.", nameof(options)) : (path, options);
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
            throw new PCacheException("Persistence.Dax needs Linux on x86-64: nowhere else can .NET store past the processor's caches into memory mapped with MAP_SYNC.");
        }

        return (Path.GetFullPath(path), options);
    }
}
