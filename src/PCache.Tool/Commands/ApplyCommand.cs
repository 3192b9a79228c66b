// Keeps true: list, export and backing are found to fit each other before anything is written; only dirty ranges that
// are sound are written, unless there is consent to more; doing it again changes nothing.
using System.CommandLine;
using System.Globalization;
using PCache.Core;
using PCache.Core.Inspection;

namespace PCache.Tool.Commands;

/// <summary><c>pcache apply</c>: puts an export onto a backing.</summary>
internal static class ApplyCommand
{
    private const int ChunkBytes = 1 << 20;

    public static Command Build(ToolContext context)
    {
        var export = new Argument<string>("EXPORT") { Description = "The file that 'pcache export' made." };
        Argument<string> backing = CommonOptions.Backing();
        var list = new Option<string>("--list")
        {
            Description = "The list that goes with it, as text or JSON.",
            HelpName = "FILE",
            Required = true,
        };
        var includeStale = new Option<bool>(
            "--include-stale")
        { Description = "Write also what is possibly stale or can't be verified." };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("apply", "Writes the dirty ranges of an export to a backing.",
            "pcache apply dirty.img disk.img --list dirty.list");
        command.Add(export);
        command.Add(backing);
        command.Add(list);
        command.Add(includeStale);
        command.Add(json);
        command.SetAction((parse, cancellation) => Task.Run(() => Run(
            context, parse.GetRequiredValue(export), parse.GetRequiredValue(backing), parse.GetRequiredValue(list),
            parse.GetValue(includeStale), parse.GetValue(json), cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(
        ToolContext context, string exportPath, string backingPath, string listPath, bool includeStale, bool json,
        CancellationToken cancellation)
    {
        CacheFiles.RequireFile(exportPath, "export");
        CacheFiles.RequireFile(listPath, "list");
        var inputs = new InputFiles();
        inputs.Add(exportPath, "the export");
        inputs.Add(listPath, "the list");
        RefuseInput(inputs, backingPath);
        ExportedRange[] dirty = [.. ExportList.Read(listPath).Where(range => range.IsDirty)];
        ExportedRange[] ranges = [
            .. dirty.Where(
                range => range.State == RescueState.Sound || (includeStale && range.State != RescueState.Damaged))
        ];
        using FileStream export = new(exportPath, FileMode.Open, FileAccess.Read, FileShare.Read, 0);
        inputs.Add(export.SafeFileHandle, "the export");
        if (File.Exists(backingPath))
        {
            // The export has all that a checkpoint journal beside the backing has; applied later, it would take back
            // what is newer.
            PCacheBacking.Recover(backingPath);
        }

        using CommandBacking backing = CacheFiles.OpenBacking(backingPath, readOnly: false);
        RefuseInput(inputs, backingPath);
        long end = ranges.Length == 0 ? 0 : ranges[^1].Offset + ranges[^1].LengthBytes;
        if (end > export.Length)
        {
            throw ToolException.Refused($"{exportPath}: It has {export.Length} bytes, but the list goes to byte {end}. "
                + $"Give the export that the list was made with.");
        }

        // The backing's last partial sector counts as whole.
        if (end > (backing.Length + 511) / 512 * 512)
        {
            throw ToolException.Refused($"{backingPath}: It has {backing.Length} bytes, but the export goes to byte "
                + $"{end}. Give the backing that the cache belongs to.");
        }

        long total = ranges.Sum(range => range.LengthBytes);
        long written = 0;
        try
        {
            Copy(context, export, backing, ranges, total, ref written, cancellation);
            backing.Flush();
        }
        catch (Exception e) when (ErrorReport.IsFailedMedium(e))
        {
            throw ErrorReport.Unfinished(
                e,
                written,
                string.Create(CultureInfo.InvariantCulture,
                    $"{written} of {total} bytes were written to the backing, and may not all be durable."),
                "The export is as it was: make room or mend the backing, then run the command again.");
        }

        long left = dirty.Sum(range => range.LengthBytes) - total;
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteNumber("writtenBytes", written);
                writer.WriteNumber("ranges", ranges.Length);
                writer.WriteNumber("leftOutBytes", left);
            });
        }
        else
        {
            context.Out.WriteLine($"Wrote {written} bytes in {ranges.Length} "
                + $"ranges{(left > 0 ? $"; {left} dirty bytes that aren't sound were left out" : string.Empty)}.");
        }

        return left > 0 ? ExitCode.Damage : ExitCode.Done;
    }

    private static void RefuseInput(InputFiles inputs, string backingPath)
    {
        if (inputs.Find(backingPath) is string role)
        {
            throw ToolException.Refused(
                $"'{backingPath}' is {role} itself, and can't be the backing. Give different files.");
        }
    }

    private static void Copy(
        ToolContext context, FileStream export, CommandBacking backing, ExportedRange[] ranges, long total,
        ref long written, CancellationToken cancellation)
    {
        using var bar = new ProgressBar(context, "writing");
        byte[] buffer = new byte[ChunkBytes];
        foreach (ExportedRange range in ranges)
        {
            long stop = Math.Min(range.Offset + range.LengthBytes, backing.Length);
            for (long at = range.Offset; at < stop; at += buffer.Length)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, stop - at));
                export.Position = at;
                export.ReadExactly(part);
                backing.Write(at, part);
                written += part.Length;
                bar.Report(written, total);
            }
        }
    }
}
