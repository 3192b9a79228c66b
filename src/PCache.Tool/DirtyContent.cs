// Keeps true: "nothing dirty" is said only of a sound cache that says so, and of what isn't a cache at all; whatever
// is damaged may have dirty data.
using System.Globalization;
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool;

/// <summary>What would be lost with the content of a file.</summary>
internal static class DirtyContent
{
    /// <summary>
    /// What is dirty, as the end of a sentence that begins with the file; null: nothing. Changes nothing.
    /// </summary>
    public static string? Describe(ToolContext context, PmemRegion region)
    {
        try
        {
            CacheImageStatus status = CacheImage.ReadStatus(region);
            if (status.IsSound)
            {
                return status.DirtyKeys == 0 ? null : string.Create(
                    CultureInfo.InvariantCulture, $"is a cache with {status.DirtyBytes} bytes in {status.DirtyKeys} "
                        + $"writes that aren't on its backing");
            }
        }
        catch (PCacheException)
        {
            // Damaged, or not a cache: below.
        }
        catch (IOException)
        {
            return "can't be read, so it may be a cache with data that isn't on its backing";
        }

        try
        {
            using var bar = new ProgressBar(context, "looking at what is there");
            RescueImage image = CacheRescue.Open(
                region, new RescueOptions
                {
                    Progress = new DirectProgress<InspectionProgress>(p => bar.Report(p.DoneBytes, p.TotalBytes))
                });
            return IsUnfinishedFormat(region, image)
                ? null
                : $"is a damaged cache, which may have data that isn't on its backing ({RescueOutput.Sums(image)})";
        }
        catch (PCacheNotFormattedException)
        {
            return null; // nothing on it looks like a cache
        }
        catch (IOException)
        {
            return "is damaged, and may be a cache with data that isn't on its backing";
        }
    }

    /// <summary>What an interrupted format leaves: a superblock of zeros, and no log behind it.</summary>
    private static bool IsUnfinishedFormat(PmemRegion region, RescueImage image)
    {
        if (image.Extents.Count > 0 || image.Holes.Count > 0)
        {
            return false;
        }

        Span<byte> superblock = stackalloc byte[24];
        region.ReadMetadata(MediaConstants.SuperblockOffset, superblock);
        return !superblock.ContainsAnyExcept((byte)0);
    }
}
