// Keeps true: the cache file is opened read-only and not changed; damage and lost writes show in the exit code,
// whatever could still be told.
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Tool.Commands;

/// <summary><c>pcache status</c>: what a cache file says about itself.</summary>
internal static class StatusCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "status", "Shows geometry, identity, positions, and what is dirty.", "pcache status cache.img",
            "pcache status cache.img --json");
        command.Add(cache);
        command.Add(json);
        command.SetAction(parse => Run(context, parse.GetRequiredValue(cache), parse.GetValue(json)));
        return command;
    }

    private static int Run(ToolContext context, string path, bool json)
    {
        try
        {
            return RunSound(context, path, json);
        }
        catch (ToolException failure) when (RescueFiles.MayHelp(failure))
        {
            return RunRescued(context, path, json, failure);
        }
    }

    /// <summary>What a damaged image still tells.</summary>
    private static int RunRescued(ToolContext context, string path, bool json, ToolException failure)
    {
        using RescueFiles files = RescueFiles.OpenInsteadOf(context, path, failure);
        RescueImage image = files.Image;
        RescueExtent[] dirty = [.. image.Extents.Where(extent => extent.IsDirty)];
        long dirtyBytes = dirty.Sum(extent => extent.LengthBytes);
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteString("format", FormatName(image.IsLinuxGeometry));
                writer.WriteNumber("segmentSizeBytes", image.SegmentSizeBytes);
                writer.WriteNumber("segmentCount", image.SegmentCount);
                writer.WriteBoolean("dataCrc", image.PayloadCrc);
                writer.WriteString("keyHead", image.KeyHead.ToString());
                writer.WriteString("keyTail", image.KeyTail?.ToString());
                writer.WriteString("dirtyTail", image.DirtyTail?.ToString());
                writer.WriteNumber("dirtyBytes", dirtyBytes);
                writer.WriteBoolean("clean", false);
                writer.WriteString("cacheId", image.CacheId.ToString());
                RescueOutput.WriteSums(writer, image);
                writer.WriteBoolean("sound", false);
            });
        }
        else
        {
            context.Out.WriteLine($"{path} is damaged; this is what it still tells:");
            Line(context.Out, "format", $"{FormatName(image.IsLinuxGeometry)}, {image.SegmentCount} segments of "
                + $"{SizeText.Exact(image.SegmentSizeBytes)}");
            Line(context.Out, "backing", $"{LengthText(image.BackingLength) ?? "not bound, or not known"}");
            Line(context.Out, "mode", $"payload checksums {(image.PayloadCrc ? "on" : "off")}");
            Line(context.Out, "key tail", $"{(image.KeyTail is LogPosition keyTail ? keyTail.ToString() : "lost")}");
            Line(context.Out, "dirty tail",
                $"{image.DirtyTail?.ToString() ?? "lost: everything counts as dirty"}");
            Line(context.Out, "key head", $"{image.KeyHead}, as far as the log can be followed");
            Line(context.Out, "dirty", $"{dirtyBytes} bytes in {dirty.Length} ranges");
            Line(context.Out, "rescue", $"{RescueOutput.Sums(image)}");
        }

        FindingsOutput.Print(context.Error, image.Findings);
        return ExitCode.Damage;
    }

    private static int RunSound(ToolContext context, string path, bool json)
    {
        using PmemRegion region = CacheFiles.OpenRegion(path, readOnly: true);
        CacheImageStatus status = CacheFiles.Naming(path, () => CacheImage.ReadStatus(region));
        if (status.Findings.FirstOrDefault(finding => finding.Severity == FindingSeverity.Damage) is { } damage)
        {
            // What a damaged log seems to say, such as that all is clean, isn't to be trusted.
            throw ToolException.Damage($"{path}: {damage.Text}", new PCacheCorruptionException(damage.Text));
        }

        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer => Write(writer, status));
        }
        else
        {
            Print(context.Out, path, region.LengthBytes, status);
        }

        FindingsOutput.Print(context.Error, status.Findings);
        return status.IsSound ? ExitCode.Done : ExitCode.Damage;
    }

    private static void Write(Utf8JsonWriter json, CacheImageStatus status)
    {
        json.WriteString("format", FormatName(status.IsLinuxGeometry));
        json.WriteNumber("segmentSizeBytes", status.SegmentSizeBytes);
        json.WriteNumber("segmentCount", status.SegmentCount);
        json.WriteNumber("chainLength", status.ChainLength);
        json.WriteNumber("segmentsUsed", status.SegmentsUsed);
        json.WriteNumber("gcPercent", status.GcThresholdPercent);
        json.WriteBoolean("dataCrc", status.PayloadCrc);
        json.WriteString("mode", status.Mode);
        json.WriteString("keyHead", status.KeyHead.ToString());
        json.WriteString("keyTail", status.KeyTail.ToString());
        json.WriteString("dirtyTail", status.DirtyTail.ToString());
        json.WriteNumber("dirtyBytes", status.DirtyBytes);
        json.WriteNumber("dirtyKeys", status.DirtyKeys);
        json.WriteBoolean("clean", status.IsClean);
        json.WriteString("logEnd", LogEndText(status.LogEnd));
        json.WriteNumber("ksets", status.Ksets);
        json.WriteNumber("liveKeys", status.LiveKeys);
        json.WriteNumber("deadKeys", status.DeadKeys);
        json.WriteNumber("lostKeys", status.LostKeys);
        json.WriteString("cacheId", status.CacheId.ToString());
        json.WriteString("label", status.Label);
        if (status.BackingLength is long length)
        {
            json.WriteNumber("backingLength", length);
        }
        else
        {
            json.WriteNull("backingLength");
        }

        if (status.BackingFingerprint is DateTimeOffset taken)
        {
            json.WriteString("backingFingerprint", taken);
        }
        else
        {
            json.WriteNull("backingFingerprint");
        }

        json.WriteString("backingIdentity", status.BackingIdentity.ToString());
        json.WriteString("dmStatus", status.DmStatus);
        json.WriteBoolean("sound", status.IsSound);
    }

    private static void Print(TextWriter output, string path, long lengthBytes, CacheImageStatus status)
    {
        void Line(string name, InvariantText text) => StatusCommand.Line(output, name, text);
        Line("cache", $"{path}, {SizeText.Rounded(lengthBytes)}");
        Line("format", $"{FormatName(status.IsLinuxGeometry)}, segments of {SizeText.Exact(status.SegmentSizeBytes)}");
        Line("identity", $"{(status.CacheId == Guid.Empty ? "none (formatted by Linux)" : status.CacheId.ToString())}");
        Line("label", $"{(status.Label.Length == 0 ? "none" : status.Label)}");
        Line("backing", $"{BackingText(status)}");
        Line("mode", $"{status.Mode}, payload checksums {(status.PayloadCrc ? "on" : "off")}, garbage collection from "
            + $"{status.GcThresholdPercent} %");
        Line("segments used", $"{status.SegmentsUsed} of {status.ChainLength}");
        Line("key tail", $"{status.KeyTail}");
        Line("dirty tail", $"{status.DirtyTail}");
        Line("key head", $"{status.KeyHead} (log end: {LogEndText(status.LogEnd)})");
        Line("log", $"{status.Ksets} ksets, {status.LiveKeys} live keys, {status.DeadKeys} dead keys");
        Line("dirty", $"{DirtyText(status)}");
        Line("dmsetup status", $"pcache {status.DmStatus}");
    }

    private static void Line(TextWriter output, string name, InvariantText text) =>
        output.WriteLine($"{name,-16}{text.Take()}");

    private static string BackingText(CacheImageStatus status) =>
        LengthText(status.BackingLength) is not { } length ? "not bound"
            : status.BackingFingerprint is not { } taken ? length
            : string.Create(CultureInfo.InvariantCulture, $"{length}, fingerprint of {taken:u}");

    private static string? LengthText(long? bytes) =>
        bytes is long length ? string.Create(CultureInfo.InvariantCulture, $"{length} bytes") : null;

    private static string DirtyText(CacheImageStatus status) => status.IsClean
        ? "nothing: clean"
        : string.Create(CultureInfo.InvariantCulture, $"{status.DirtyBytes} bytes in {status.DirtyKeys} keys");

    private static string LogEndText(PCache.Core.LogEnd end) => end.ToString().ToLowerInvariant();

    private static string FormatName(bool isLinux) => isLinux ? "linux" : "compact";
}
