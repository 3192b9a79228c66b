// Keeps true: the image is loaded and validated as a whole before anything is written; each setting is durable before
// it is reported; nothing else changes.
using System.CommandLine;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool.Commands;

/// <summary><c>pcache set</c>: changes settings of a cache that isn't in use.</summary>
internal static class SetCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Option<int?> gcPercent = CommonOptions.GcPercent();
        Option<string?> label = CommonOptions.Label();
        var command = new ToolCommand("set", "Changes settings of a cache.", "pcache set cache.img --gc-percent 50",
            "pcache set cache.img --label mail");
        command.Add(cache);
        command.Add(gcPercent);
        command.Add(label);
        command.SetAction(
            parse => Run(context, parse.GetRequiredValue(cache), parse.GetValue(gcPercent), parse.GetValue(label)));
        return command;
    }

    private static int Run(ToolContext context, string path, int? gcPercent, string? label)
    {
        if (gcPercent is null && label is null)
        {
            throw ToolException.Usage("There is nothing to set. Give --gc-percent, --label, or both.");
        }

        using PmemRegion region = CacheFiles.OpenRegion(path, readOnly: false);
        MediaState media = CacheFiles.Naming(path, () => MediaLoader.Load(region));
        if (gcPercent is int percent)
        {
            CacheInfo info = media.CacheInfo;
            ReplicaState state = media.CacheInfoReplicas;
            info.Flags = media.Flags.WithGcPercent(percent).Value;
            Replicas.Write(region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, ref info, ref state);
            context.Out.WriteLine($"Garbage collection runs from {percent} % on.");
        }

        if (label is not null)
        {
            ExtensionBlocks.SetLabel(region, media, label);
            context.Out.WriteLine(label.Length == 0 ? "The label is removed." : $"The label is '{label}'.");
        }

        return ExitCode.Done;
    }
}
