// Keeps true: what is wrong with a path is found out before anything is opened for writing; what was opened is closed again when the rest fails.
using System.Runtime.InteropServices;
using PCache.Core;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool;

/// <summary>Opens cache files and backings, with errors that name the file.</summary>
internal static class CacheFiles
{
    /// <summary>Refuses a path that isn't a file with content.</summary>
    public static void RequireFile(string path, string role)
    {
        if (Directory.Exists(path))
        {
            throw ToolException.Refused($"'{path}' is a directory. Give the path of the {role} file.");
        }

        if (!File.Exists(path))
        {
            throw ToolException.Refused(role == "cache"
                ? $"There is no cache file '{path}'. Make one with 'pcache format', or check the path."
                : $"There is no {role} file '{path}'. Check the path.");
        }
    }

    /// <summary>Refuses a cache file that can't be one before it is mapped: nothing there, a directory, or empty.</summary>
    public static void RequireCache(string path)
    {
        RequireFile(path, "cache");
        if (!IsDevice(path) && new FileInfo(path).Length == 0)
        {
            throw ToolException.Refused($"'{path}' is empty, so it isn't a cache. Make one with 'pcache format'.");
        }
    }

    /// <summary>Maps a cache file.</summary>
    public static PmemRegion OpenRegion(string path, bool readOnly) => OpenRegion(path, new PmemFileOptions { ReadOnly = readOnly });

    /// <summary>
    /// Maps a cache file, and refuses one that is something else altogether. For writing, it is looked at read-only first: a writable open allocates a
    /// sparse file's blocks, which nobody wants of a file that isn't a sound cache.
    /// </summary>
    public static PmemRegion OpenRegion(string path, PmemFileOptions options)
    {
        RequireCache(path);
        if (!options.ReadOnly)
        {
            using PmemRegion look = OpenRegion(path, options with { ReadOnly = true });
            Naming(path, () => MediaLoader.Load(look));
        }

        PmemRegion region = Naming(path, () => PmemFile.Open(path, options));
        try
        {
            Naming(path, () => IsForeign(region)
                ? throw ToolException.Refused($"'{path}' isn't a cache: it holds something else. Check the path, or make a cache elsewhere with 'pcache format'.", new PCacheNotFormattedException())
                : true);
            return region;
        }
        catch
        {
            region.Dispose();
            throw;
        }
    }

    /// <summary>Opens a backing.</summary>
    public static IBlockDevice OpenBacking(string path, bool readOnly)
    {
        RequireFile(path, "backing");
        return Naming(path, () => new FixedLengthDevice(BlockDevice.OpenFile(path, readOnly ? FileAccess.Read : FileAccess.ReadWrite)));
    }

    /// <summary>Opens a cache with its backing; the device owns both.</summary>
    public static PCacheDevice OpenDevice(string cachePath, string backingPath, PCacheOptions options)
    {
        if (SameFile(cachePath, backingPath))
        {
            throw ToolException.Refused($"'{cachePath}' can't be its own backing. Give two different files.");
        }

        RequireCache(cachePath);
        SqliteCaches.Refuse(cachePath);
        IBlockDevice backing = OpenBacking(backingPath, options.ReadOnly);
        return OpenDevice(cachePath, backing, options);
    }

    /// <summary>Opens a cache over an open backing, which is disposed when that fails.</summary>
    public static PCacheDevice OpenDevice(string cachePath, IBlockDevice backing, PCacheOptions options, bool powerSafe = false)
    {
        PmemRegion? region = null;
        try
        {
            region = OpenRegion(cachePath, new PmemFileOptions { ReadOnly = options.ReadOnly, PowerSafe = powerSafe });
            return Naming(cachePath, () => PCacheDevice.Open(region, backing, options));
        }
        catch
        {
            region?.Dispose();
            backing.Dispose();
            throw;
        }
    }

    /// <summary>Whether two paths lead to one file, as far as names and symbolic links tell.</summary>
    public static bool SameFile(string first, string second) =>
        string.Equals(RealPath(first), RealPath(second), OperatingSystem.IsWindows() ? StringComparison.OrdinalIgnoreCase : StringComparison.Ordinal);

    /// <summary>Runs <paramref name="open"/>; its errors then name the file.</summary>
    public static T Naming<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception exception) when (exception is not ToolException && ErrorReport.TryDescribe(exception, out int exitCode, out string message))
        {
            bool named = message.Contains($"'{path}'", StringComparison.Ordinal) || message.Contains($"\"{path}\"", StringComparison.Ordinal);
            throw new ToolException(exitCode, named ? message : $"{path}: {message}", exception);
        }
    }

    /// <summary>Tells of acknowledged writes that whoever wrote the image has lost.</summary>
    public static int ReportLost(ToolContext context, PCacheDevice device)
    {
        if (device.Recovery.LostKeys == 0)
        {
            return ExitCode.Done;
        }

        context.Error.WriteLine(
            $"lost: {device.Recovery.LostKeys} acknowledged writes were already lost by whoever wrote this image; all others are there. 'pcache dump --keys' shows them.");
        return ExitCode.Damage;
    }

    /// <summary>Whether a path names a device node, whose length can neither be seen nor set like that of a file.</summary>
    public static bool IsDevice(string path) => Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal);

    /// <summary>Whether there is something else than a cache: an unknown magic, and no cache info that would make it a cache with a destroyed superblock.</summary>
    private static bool IsForeign(PmemRegion region)
    {
        if (region.LengthBytes < MediaConstants.ControlOffset)
        {
            return true;
        }

        Superblock superblock = default;
        region.ReadMetadata(MediaConstants.SuperblockOffset, MemoryMarshal.AsBytes(new Span<Superblock>(ref superblock)));
        if (superblock.Magic is 0 or MediaConstants.SuperblockMagicLinux or MediaConstants.SuperblockMagicCompact)
        {
            return false;
        }

        return Replicas.Read(region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, out CacheInfo _, out _, out _)
            is ReplicaOutcome.Blank or ReplicaOutcome.None;
    }

    private static string RealPath(string path)
    {
        string full = Path.GetFullPath(path);
        try
        {
            return File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
        }
        catch (IOException)
        {
            return full;
        }
    }
}
