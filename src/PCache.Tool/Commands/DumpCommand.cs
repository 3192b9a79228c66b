// Keeps true: nothing is changed; of a sound log ksets are printed as they are read, so that memory doesn't grow with
// it; a damaged one is shown with its holes.
using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;

namespace PCache.Tool.Commands;

/// <summary><c>pcache dump</c>: the log, kset by kset.</summary>
internal static class DumpCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        var keys = new Option<bool>("--keys") { Description = "Print the keys of each kset too." };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "dump", "Prints the log, kset by kset.", "pcache dump cache.img", "pcache dump cache.img --keys --json");
        command.Add(cache);
        command.Add(keys);
        command.Add(json);
        command.SetAction(
            parse => Run(context, parse.GetRequiredValue(cache), parse.GetValue(keys), parse.GetValue(json)));
        return command;
    }

    private static int Run(ToolContext context, string path, bool withKeys, bool json)
    {
        ToolException? failure = null;
        try
        {
            using PmemRegion region = CacheFiles.OpenRegion(path, readOnly: true);
            LogDump log = CacheFiles.Naming(path, () => CacheImage.ReadLog(region, withKeys));
            if (!log.Findings.Any(finding => finding.Severity == FindingSeverity.Damage))
            {
                Show(context, json, withKeys, log.Ksets, log.KeyHead, []);
                FindingsOutput.Print(context.Error, log.Findings);
                return log.IsSound ? ExitCode.Done : ExitCode.Damage;
            }
        }
        catch (ToolException e) when (RescueFiles.MayHelp(e))
        {
            failure = e;
        }

        // Behind damage the log goes on: a rescue finds it.
        using RescueFiles files =
            failure is null ? RescueFiles.Open(context, path) : RescueFiles.OpenInsteadOf(context, path, failure);
        Show(context, json, withKeys, files.Image.EnumerateKsets(withKeys), files.Image.KeyHead, files.Image.Holes);
        FindingsOutput.Print(context.Error, files.Image.Findings);
        return ExitCode.Damage;
    }

    private static void Show(
        ToolContext context, bool json, bool withKeys, IEnumerable<KsetInfo> ksets, LogPosition keyHead,
        IReadOnlyList<RescueHole> holes)
    {
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteString("keyHead", keyHead.ToString());
                writer.WriteStartArray("ksets");
                foreach (KsetInfo kset in ksets)
                {
                    Write(writer, kset, withKeys);
                    JsonOutput.FlushIfLarge(writer);
                }

                writer.WriteEndArray();
                if (holes.Count > 0)
                {
                    RescueOutput.WriteHoles(writer, holes);
                }
            });
            return;
        }

        Dictionary<LogPosition, RescueHole> at = [];
        LogPosition? expected = null;
        foreach (RescueHole hole in holes)
        {
            at.TryAdd(hole.Position, hole);
        }

        foreach (KsetInfo kset in ksets)
        {
            if (expected is LogPosition place && at.Remove(place, out RescueHole hole))
            {
                PrintHole(context.Out, hole);
            }

            Print(context.Out, kset);
            expected = new LogPosition(kset.NextSegment ?? kset.Position.Segment,
                kset.IsLast ? 0 : kset.Position.Offset + 24 + (40 * kset.KeyCount));
        }

        foreach (RescueHole hole in at.Values)
        {
            PrintHole(context.Out, hole);
        }

        context.Out.WriteLine($"{keyHead}  end of the log");
    }

    private static void PrintHole(TextWriter output, RescueHole hole)
    {
        string lost = hole.LengthBytes < 0
            ? "what was here is lost"
            : string.Create(CultureInfo.InvariantCulture,
                $"{hole.LengthBytes} bytes are lost, at most {hole.MaxKeys} keys");
        output.WriteLine($"{hole.Position}  HOLE: {lost}");
    }

    private static void Write(Utf8JsonWriter json, KsetInfo kset, bool withKeys)
    {
        json.WriteStartObject();
        json.WriteString("position", kset.Position.ToString());
        json.WriteNumber("sequence", kset.Sequence);
        json.WriteBoolean("barrier", kset.IsBarrier);
        json.WriteBoolean("continuesBatch", kset.ContinuesBatch);
        json.WriteBoolean("last", kset.IsLast);
        json.WriteNumber("keyCount", kset.KeyCount);
        json.WriteBoolean("dirty", kset.IsDirty);
        if (kset.NextSegment is int next)
        {
            json.WriteNumber("nextSegment", next);
        }

        if (withKeys)
        {
            json.WriteStartArray("keys");
            foreach (KeyInfo key in kset.Keys)
            {
                json.WriteStartObject();
                json.WriteNumber("offset", key.Offset);
                json.WriteNumber("length", key.Length);
                json.WriteBoolean("clean", key.IsClean);
                json.WriteBoolean("live", key.IsLive);
                json.WriteNumber("segment", key.Segment);
                json.WriteNumber("segmentOffset", key.SegmentOffset);
                json.WriteNumber("generation", key.Generation);
                json.WriteNumber("payloadCrc", key.PayloadCrc);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void Print(TextWriter output, KsetInfo kset)
    {
        string what = kset.IsLast
            ? string.Create(CultureInfo.InvariantCulture, $"last, goes on in segment {kset.NextSegment}")
            : string.Create(CultureInfo.InvariantCulture, $"{kset.KeyCount} keys");
        string sequence = kset.Sequence == 0 ? "none" : kset.Sequence.ToString(CultureInfo.InvariantCulture);
        string place = kset.IsBarrier ? ", barrier" : kset.ContinuesBatch ? ", continues a batch" : string.Empty;
        output.WriteLine($"{kset.Position}  sequence {sequence}{place}, "
            + $"{(kset.IsDirty ? "dirty" : "written back")}: {what}");
        foreach (KeyInfo key in kset.Keys)
        {
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"    {key.Offset} +{key.Length} -> {key.Segment}:{key.SegmentOffset} "
                + $"generation {key.Generation} crc {key.PayloadCrc:x8}"
                + $"{(key.IsClean ? " clean" : string.Empty)}{(key.IsLive ? string.Empty : " dead")}"));
        }
    }
}
