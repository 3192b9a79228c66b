// Keeps true: "clean" is said only when the device says so after the drain; lost or damaged data always shows in the exit code.
using System.CommandLine;
using PCache.Core;

namespace PCache.Tool.Commands;

/// <summary><c>pcache writeback</c>: drains a cache into its backing.</summary>
internal static class WritebackCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Argument<string> backing = CommonOptions.Backing();
        var acceptLost = new Option<bool>("--accept-lost") { Description = "Go on although whoever wrote the image has lost acknowledged writes." };
        var anyBacking = new Option<bool>("--any-backing") { Description = "Write to this backing although it isn't the one that the cache is bound to, and bind it." };
        var command = new ToolCommand(
            "writeback",
            "Writes everything dirty to the backing.",
            "pcache writeback cache.img disk.img");
        command.Add(cache);
        command.Add(backing);
        command.Add(acceptLost);
        command.Add(anyBacking);
        command.SetAction((parse, cancellation) => RunAsync(
            context,
            parse.GetRequiredValue(cache),
            parse.GetRequiredValue(backing),
            new PCacheOptions
            {
                StartWritebackPaused = true,
                AcceptLostWrites = parse.GetValue(acceptLost),
                RebindBacking = parse.GetValue(anyBacking),
            },
            cancellation));
        return command;
    }

    private static async Task<int> RunAsync(ToolContext context, string cachePath, string backingPath, PCacheOptions options, CancellationToken cancellation)
    {
        using PCacheDevice device = Open(cachePath, backingPath, options);
        using (var bar = new ProgressBar(context, "writing back"))
        {
            await device.DrainAsync(new DirectProgress(bar), cancellation).ConfigureAwait(false);
        }

        PCacheStatus status = device.GetStatus();
        int exitCode = CacheFiles.ReportLost(context, device);
        foreach (DeviceRange range in status.DamagedRanges)
        {
            exitCode = ExitCode.Damage;
            context.Error.WriteLine(
                $"damaged: bytes {range.Offset}..{range.End - 1} ({range.LengthBytes} bytes) don't fit their checksum; the backing keeps what it had there. Overwrite the range to repair it.");
        }

        context.Out.WriteLine(status.IsClean
            ? $"Wrote back {status.WritebackBytes} bytes; the cache is clean."
            : $"Wrote back {status.WritebackBytes} bytes; {status.DirtyBytes} bytes remain dirty in the cache.");
        return status.IsClean ? exitCode : ExitCode.Damage;
    }

    private static PCacheDevice Open(string cachePath, string backingPath, PCacheOptions options)
    {
        try
        {
            return CacheFiles.OpenDevice(cachePath, backingPath, options);
        }
        catch (ToolException error) when (error.InnerException is PCacheBackingMismatchException mismatch)
        {
            throw ToolException.Refused(
                $"{cachePath}: {ErrorReport.FirstSentence(mismatch)} Give the backing that the cache belongs to, or consent to this one with --any-backing.", mismatch);
        }
    }

    /// <summary>Reports on the caller's thread, in order.</summary>
    private sealed class DirectProgress(ProgressBar bar) : IProgress<DrainProgress>
    {
        public void Report(DrainProgress value) => bar.Report(value.WrittenBytes, value.WrittenBytes + value.RemainingBytes);
    }
}
