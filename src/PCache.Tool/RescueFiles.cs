// Keeps true: a cache file is opened for rescue read-only; a file that holds no cache at all is refused as by every
// other command.
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;

namespace PCache.Tool;

/// <summary>A cache file opened for rescue.</summary>
internal sealed class RescueFiles : IDisposable
{
    private RescueFiles(PmemRegion region, RescueImage image)
    {
        Region = region;
        Image = image;
    }

    public PmemRegion Region { get; }

    public RescueImage Image { get; }

    /// <summary>Opens a cache file, however damaged.</summary>
    public static RescueFiles Open(ToolContext context, string path, int? segmentSize = null)
    {
        CacheFiles.RequireCache(path);
        PmemRegion region = CacheFiles.Naming(path, () => PmemFile.Open(path, new PmemFileOptions { ReadOnly = true }));
        try
        {
            using var bar = new ProgressBar(context, "looking at the cache");
            var options = new RescueOptions
            {
                SegmentSizeBytes = segmentSize,
                Progress = new DirectProgress<InspectionProgress>(p => bar.Report(p.DoneBytes, p.TotalBytes))
            };
            return new RescueFiles(region, CacheFiles.Naming(path, () => CacheRescue.Open(region, options)));
        }
        catch
        {
            region.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Opens a cache file that failed to open in the ordinary way; what failed is thrown again where it isn't damage
    /// that a rescue can go around, or that the caller goes around even if the cache is sound (on a full disk, say).
    /// </summary>
    public static RescueFiles OpenInsteadOf(
        ToolContext context, string path, ToolException failure, int? segmentSize = null, bool evenIfSound = false)
    {
        RescueFiles files;
        try
        {
            files = Open(context, path, segmentSize);
        }
        catch (ToolException)
        {
            throw failure;
        }

        if (files.Image.IsSound && !evenIfSound)
        {
            files.Dispose();
            throw failure;
        }

        return files;
    }

    /// <summary>
    /// Whether a rescue may get around the failure: damage, a destroyed superblock, or a medium that can't be read.
    /// </summary>
    public static bool MayHelp(ToolException failure) =>
        failure.InnerException is PCacheCorruptionException or PCacheNotFormattedException || (
            failure.InnerException is IOException && failure.InnerException is not (
                PCacheException or FileNotFoundException or DirectoryNotFoundException));

    public void Dispose() => Region.Dispose();
}

/// <summary>Reports on the caller's thread, in order.</summary>
internal sealed class DirectProgress<T>(Action<T> report) : IProgress<T>
{
    public void Report(T value) => report(value);
}
