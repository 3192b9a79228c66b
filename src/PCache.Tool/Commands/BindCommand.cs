// Keeps true: a cache that is bound to another backing is bound anew only with --force; no dirty data moves.
using System.CommandLine;
using PCache.Core;

namespace PCache.Tool.Commands;

/// <summary><c>pcache bind</c>: binds a cache to a backing.</summary>
internal static class BindCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Argument<string> backing = CommonOptions.Backing();
        var force = new Option<bool>("--force")
        {
            Description = "Bind although the cache is bound to another backing. Dirty data in it will go to this one.",
        };
        var command = new ToolCommand("bind", "Binds the cache to a backing.", "pcache bind cache.img disk.img",
            "pcache bind cache.img moved.img --force");
        command.Add(cache);
        command.Add(backing);
        command.Add(force);
        command.SetAction(
            parse =>
                Run(context, parse.GetRequiredValue(cache), parse.GetRequiredValue(backing), parse.GetValue(force)));
        return command;
    }

    private static int Run(ToolContext context, string cachePath, string backingPath, bool force)
    {
        PCacheDevice device;
        try
        {
            device = CacheFiles.OpenDevice(
                cachePath, backingPath, new PCacheOptions { StartWritebackPaused = true, RebindBacking = force });
        }
        catch (ToolException error) when (error.InnerException is PCacheBackingMismatchException mismatch)
        {
            throw ToolException.Refused($"{cachePath}: {ErrorReport.FirstSentence(mismatch)} Give --force to bind it "
                + $"to this backing.", mismatch);
        }

        using (device)
        {
            int exitCode = CacheFiles.ReportLost(context, device);
            context.Out.WriteLine($"The cache is bound to a backing of {device.Length} bytes.");
            return exitCode;
        }
    }
}
