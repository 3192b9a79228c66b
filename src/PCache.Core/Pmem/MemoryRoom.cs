// Keeps true: memory is taken only after asking whether there is that much, of everything that counts it: the file
// system's own size, the limits of the container and of all that it is in, and the machine. What isn't known refuses
// nothing.
using System.Globalization;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
using PCache.Core.Primitives;

namespace PCache.Core.Pmem;

/// <summary>Whether a region that is memory fits into what there is of it.</summary>
internal static class MemoryRoom
{
    private const long OwnBytes = 4 << 20;

    /// <summary>Refuses a file in memory that is larger than what is left, before any of it is taken.</summary>
    /// <param name="file">The file, open for writing.</param>
    /// <param name="path">Its path, for the message.</param>
    /// <param name="lengthBytes">The length that it is to have, all of it in memory.</param>
    /// <exception cref="PCacheException">It is larger.</exception>
    public static void CheckFile(SafeFileHandle file, string path, long lengthBytes)
    {
        if (FileSystemFacts.Of(file) is not { MemoryName: { } kind } facts)
        {
            return;
        }

        long takenBytes = FileNative.TryStat(file, out FileNative.Statx stat) == 0 ? (long)stat.Blocks * 512 : 0;
        long neededBytes = Math.Max(0, lengthBytes - takenBytes);
        string what = $"The cache file '{SafeText.Of(path)}' is in memory ({kind}) and needs "
            + $"{ByteText.Of(neededBytes)}{(takenBytes > 0 ? " more" : "")}";
        if (neededBytes == 0)
        {
            return;
        }

        if (facts.LengthBytes > 0 && neededBytes > facts.AvailableBytes)
        {
            throw new PCacheException($"{what}; of the file system's {ByteText.Of(facts.LengthBytes)}, "
                + $"{ByteText.Of(facts.AvailableBytes)} are left. Make the cache smaller, or mount it larger.");
        }

        if (WhyNot(MemoryLimits.Tightest(TryRead, facts.CanSwap, withMachine: true), neededBytes) is { } why)
        {
            throw new PCacheException($"{what}; {why}");
        }
    }

    /// <summary>Refuses plain memory that is larger than what the container's limits leave.</summary>
    /// <exception cref="InsufficientMemoryException">It is larger.</exception>
    public static void CheckPlain(long lengthBytes)
    {
        // The machine itself refuses what it can't ever have; what is taken page by page may never be needed at once.
        if (WhyNot(MemoryLimits.Tightest(TryRead, canSwap: true, withMachine: false), lengthBytes) is { } why)
        {
            throw new InsufficientMemoryException($"A region in memory of {ByteText.Of(lengthBytes)}: {why}");
        }
    }

    /// <summary>Why so many bytes aren't to be taken; null: they fit, or nothing is known.</summary>
    internal static string? WhyNot(MemoryLimit? limit, long neededBytes)
    {
        // Its page tables and the like count too: for each page of 4 KiB some bytes.
        return limit is null
            || neededBytes <= limit.RoomBytes - Math.Min(OwnBytes, limit.RoomBytes / 8) - (neededBytes / 64)
            ? null
            : string.Create(
                CultureInfo.InvariantCulture,
                $"the memory limit is {ByteText.Of(limit.LimitBytes)} ({SafeText.Of(limit.Source)}), and "
                + $"{ByteText.Of(limit.RoomBytes)} of it are left. "
                + $"Taking more would get the process killed. Make the cache smaller, raise the limit, or put the "
                + $"cache on a disk.");
    }

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
