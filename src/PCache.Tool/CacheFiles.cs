// Keeps true: what is wrong with a path is found out before anything is opened for writing; what was opened is closed
// again when the rest fails.
using System.Globalization;
using System.Runtime.InteropServices;
using PCache.Core;
using PCache.Core.Files;
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

    /// <summary>
    /// Refuses a cache file that can't be one before it is mapped: nothing there, a directory, or empty.
    /// </summary>
    public static void RequireCache(string path)
    {
        RequireFile(path, "cache");
        FileFacts? facts = InputFiles.TryFacts(path);
        if (facts is { Kind: not (FileKind.Regular or FileKind.Block) })
        {
            throw ToolException.Refused($"'{path}' isn't a cache: it is neither a file nor a block device. Check the "
                + $"path.", new PCacheNotFormattedException());
        }

        long length = facts?.LengthBytes ?? new FileInfo(path).Length;
        if (facts?.Kind != FileKind.Block && !IsDevice(path) && length < MediaConstants.SegmentsOffset)
        {
            string holds = length switch
            {
                0 => "is empty, so it isn't a cache",
                1 => "isn't a cache: it has 1 byte",
                _ => string.Create(
                    CultureInfo.InvariantCulture, $"isn't a cache: it has {length} bytes, fewer than any cache"),
            };
            throw ToolException.Refused($"'{path}' {holds}. Check the path, or make a cache with 'pcache format'.",
                new PCacheNotFormattedException());
        }
    }

    /// <summary>Maps a cache file.</summary>
    public static PmemRegion OpenRegion(string path, bool readOnly) =>
        OpenRegion(path, new PmemFileOptions { ReadOnly = readOnly });

    /// <summary>
    /// Maps a cache file, and refuses one that is something else altogether. For writing, it is looked at read-only
    /// first: a writable open allocates a sparse file's blocks, which is unwanted for a file that isn't a sound
    /// cache.
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
                ? throw ToolException.Refused($"'{path}' isn't a cache: it holds something else. Check the path, or "
                    + $"make a cache elsewhere with 'pcache format'.", new PCacheNotFormattedException())
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
    public static CommandBacking OpenBacking(string path, bool readOnly)
    {
        RequireFile(path, "backing");
        return Naming(path,
            () => new CommandBacking(BlockDevice.OpenFile(path, readOnly ? FileAccess.Read : FileAccess.ReadWrite)));
    }

    /// <summary>Opens a cache with its backing; the device owns both.</summary>
    public static PCacheDevice OpenDevice(string cachePath, string backingPath, PCacheOptions options) =>
        OpenDevice(cachePath, backingPath, options, out _);

    /// <summary>Opens a cache with its backing; the device owns both.</summary>
    public static PCacheDevice OpenDevice(
        string cachePath, string backingPath, PCacheOptions options, out CommandBacking backing)
    {
        if (SameFile(cachePath, backingPath))
        {
            throw ToolException.Refused($"'{cachePath}' can't be its own backing. Give two different files.");
        }

        RequireCache(cachePath);
        SqliteCaches.Refuse(cachePath);
        backing = OpenBacking(backingPath, options.ReadOnly);
        return OpenDevice(cachePath, backing, options);
    }

    /// <summary>Opens a cache over an open backing, which is disposed when that fails.</summary>
    public static PCacheDevice OpenDevice(
        string cachePath, IBlockDevice backing, PCacheOptions options, bool powerSafe = false)
    {
        PmemRegion? region = null;
        try
        {
            region = OpenRegion(cachePath, new PmemFileOptions { ReadOnly = options.ReadOnly, PowerSafe = powerSafe });

            if (backing is CommandBacking growing)
            {
                ExtensionBlocks.Read(region, out ExtensionBlock? block, out _);
                growing.FollowCache(block);
            }

            // A command that writes back makes no journal: it may have to run where there is no room for one.
            PCacheOptions settings = options.BackingConsistency is null && !options.ReadOnly
                ? options with { BackingConsistency = BackingConsistency.EachFlush }
                : options;
            return Naming(cachePath, () => PCacheDevice.Open(region, backing, settings));
        }
        catch
        {
            region?.Dispose();
            backing.Dispose();
            throw;
        }
    }

    /// <summary>Whether two paths lead to one file.</summary>
    public static bool SameFile(string first, string second) => InputFiles.IsSame(first, second);

    /// <summary>Runs <paramref name="open"/>; its errors then name the file.</summary>
    public static T Naming<T>(string path, Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception exception) when (exception is not ToolException
            && ErrorReport.TryDescribe(exception, out int exitCode, out string message))
        {
            string shown = SafeText.Of(path);
            bool named = message.Contains($"'{shown}'", StringComparison.Ordinal)
                || message.Contains($"\"{shown}\"", StringComparison.Ordinal);
            throw new ToolException(exitCode, named ? message : $"{path}: {message}", exception);
        }
    }

    /// <summary>Tells of acknowledged writes that the program that wrote the image has lost.</summary>
    public static int ReportLost(ToolContext context, PCacheDevice device)
    {
        if (device.Recovery.LostKeys == 0)
        {
            return ExitCode.Done;
        }

        context.Error.WriteLine(
            $"lost: {device.Recovery.LostKeys} acknowledged writes were already lost by the program that wrote this "
            + $"image; all others are there. 'pcache dump --keys' shows them.");
        return ExitCode.Damage;
    }

    /// <summary>
    /// Whether a path names a device node, whose length can neither be seen nor set like that of a file.
    /// </summary>
    public static bool IsDevice(string path) => Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal);

    /// <summary>
    /// Whether there is something else than a cache: an unknown magic, and no cache info that would make it a cache
    /// with a destroyed superblock.
    /// </summary>
    private static bool IsForeign(PmemRegion region)
    {
        Superblock superblock = default;
        region.ReadMetadata(
            MediaConstants.SuperblockOffset, MemoryMarshal.AsBytes(new Span<Superblock>(ref superblock)));
        if (superblock.Magic is 0 or MediaConstants.SuperblockMagicLinux or MediaConstants.SuperblockMagicCompact)
        {
            return false;
        }

        return Replicas.Read(
            region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, out CacheInfo _, out _, out _)
            is ReplicaOutcome.Blank or ReplicaOutcome.None;
    }
}
