// Keeps true: the cache is opened read-only; nothing that exists is overwritten without --force, and the cache never,
// whatever it is called; an interrupted or failed export leaves neither a file that looks like a whole one nor its
// list; what isn't in the output is in the list.
using System.CommandLine;
using PCache.Core.Files;
using PCache.Core.Inspection;

namespace PCache.Tool.Commands;

/// <summary><c>pcache export</c>: the dirty ranges of a cache without its backing.</summary>
internal static class ExportCommand
{
    private const int ChunkBytes = 1 << 20;
    private const int HoleBytes = 4096;

    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        var output = new Option<string>("--output")
        {
            Description = "The file to make: sparse, each range at its place on the device.",
            HelpName = "FILE",
            Required = true,
        };
        var list = new Option<string?>("--list")
        {
            Description = "A file for the list of ranges: as text, or as JSON if its name ends in .json.",
            HelpName = "FILE",
        };
        var all = new Option<bool>("--all") { Description = "Clean ranges too, which the backing has as well." };
        Option<long?> segmentSize = CommonOptions.SegmentSize();
        var force = new Option<bool>("--force") { Description = "Overwrite the output and the list if they exist." };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "export",
            "Gets the dirty data out of a cache, however damaged, without its backing.",
            "pcache export cache.img --output dirty.img --list dirty.list",
            "pcache export cache.img --output dirty.img --json > dirty.json",
            "pcache apply dirty.img disk.img --list dirty.list");
        command.Add(cache);
        command.Add(output);
        command.Add(list);
        command.Add(all);
        command.Add(segmentSize);
        command.Add(force);
        command.Add(json);
        command.SetAction((parse, cancellation) => Task.Run(() => Run(
            context,
            parse.GetRequiredValue(cache),
            parse.GetRequiredValue(output),
            parse.GetValue(list),
            parse.GetValue(all),
            (int?)parse.GetValue(segmentSize),
            parse.GetValue(force),
            parse.GetValue(json),
            cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(
        ToolContext context, string cachePath, string outputPath, string? listPath, bool all, int? segmentSize,
        bool force, bool json, CancellationToken cancellation)
    {
        SqliteCaches.Refuse(cachePath);
        var inputs = new InputFiles();
        inputs.Add(cachePath, "the cache");
        OutputFile.Check(outputPath, "--output", force, inputs);
        if (listPath is not null)
        {
            OutputFile.Check(listPath, "--list", force, inputs);
        }

        using RescueFiles files = RescueFiles.Open(context, cachePath, segmentSize);
        RescueImage image = files.Image;
        RescueExtent[] extents = [.. image.Extents.Where(extent => all || extent.IsDirty)];
        inputs.Add(cachePath, "the cache"); // what has the name by now
        FileFacts? model = InputFiles.TryFacts(cachePath);

        // Whether both can be written is found out before either is changed; then an older list doesn't stay beside a
        // newer export.
        using OutputFile output = OutputFile.Open(outputPath, "--output", force, inputs, model);
        if (!output.IsRegular)
        {
            throw ToolException.Refused(
                $"'{outputPath}' is a device or a pipe, and an export has holes. Give a file for --output.");
        }

        using OutputFile? list = listPath is null ? null : OpenList(listPath, force, inputs, model);
        output.Begin();
        list?.Begin();
        long written;
        try
        {
            written = WriteOutput(context, image, extents, output.Stream, cancellation);
            if (list is not null)
            {
                WriteList(cachePath, listPath!, list.Stream, image, extents);
            }
        }
        catch (Exception e) when (ErrorReport.IsFailedMedium(e))
        {
            throw ErrorReport.Unfinished(e, 0, string.Empty,
                "Neither export nor list is left; the cache is as it was. Make room, or give another place.");
        }

        output.Keep();
        list?.Keep();
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer => ExportList.WriteJson(writer, cachePath, image, extents));
        }
        else
        {
            context.Out.WriteLine($"Exported {written} bytes in {extents.Length} ranges to {outputPath}.");
            context.Out.WriteLine($"Of what is dirty: {RescueOutput.Sums(image)}.");
            if (listPath is null && extents.Length > 0)
            {
                context.Out.WriteLine("Note: without the list the ranges can't be told from the holes between them. "
                    + "Give --list or --json to keep it.");
            }
        }

        FindingsOutput.Print(context.Error, image.Findings);
        return image.IsSound ? ExitCode.Done : ExitCode.Damage;
    }

    private static OutputFile OpenList(string path, bool force, InputFiles inputs, FileFacts? model)
    {
        try
        {
            return OutputFile.Open(path, "--list", force, inputs, model);
        }
        catch (ToolException e) when (inputs.Find(path) == "the file of --output")
        {
            throw new ToolException(ExitCode.Usage, "--output and --list are the same file. Give two.", e);
        }
    }

    private static long WriteOutput(
        ToolContext context, RescueImage image, RescueExtent[] extents, FileStream file, CancellationToken cancellation)
    {
        long total = extents.Sum(extent => extent.LengthBytes);
        long end = extents.Length == 0 ? 0 : extents[^1].End;
        file.SetLength(Math.Max(end, image.BackingLength ?? 0));
        using var bar = new ProgressBar(context, "exporting");
        byte[] buffer = new byte[ChunkBytes];
        long written = 0;
        long seen = 0;
        foreach (RescueExtent extent in extents)
        {
            bool whole = extent.State != RescueState.Damaged;
            for (long at = 0; whole && at < extent.LengthBytes; at += buffer.Length)
            {
                cancellation.ThrowIfCancellationRequested();
                Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, extent.LengthBytes - at));
                if (!image.TryReadPayload(in extent, at, part))
                {
                    throw new IOException($"The cache's medium failed at byte {extent.CacheOffset + at}.");
                }

                WriteSparsely(file, extent.Offset + at, part);
                written += part.Length;
            }

            seen += extent.LengthBytes;
            bar.Report(seen, total);
        }

        if (image.DeviceLength is long length && length > (image.BackingLength ?? 0))
        {
            file.SetLength(length); // the last sector of a range is whole, that of the device needn't be
        }

        file.Flush(flushToDisk: true);
        return written;
    }

    /// <summary>Leaves out blocks of zeros: they are holes already.</summary>
    private static void WriteSparsely(FileStream file, long offset, ReadOnlySpan<byte> bytes)
    {
        int from = 0;
        for (int at = 0; at < bytes.Length;)
        {
            int length = (int)Math.Min(HoleBytes - ((offset + at) % HoleBytes), bytes.Length - at);
            if (!bytes.Slice(at, length).ContainsAnyExcept((byte)0))
            {
                RandomAccess.Write(file.SafeFileHandle, bytes[from..at], offset + from);
                from = at + length;
            }

            at += length;
        }

        RandomAccess.Write(file.SafeFileHandle, bytes[from..], offset + from);
    }

    private static void WriteList(
        string cachePath, string listPath, FileStream file, RescueImage image, RescueExtent[] extents)
    {
        using (var writer = new StreamWriter(file, leaveOpen: true))
        {
            writer.NewLine = "\n";
            if (listPath.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            {
                JsonOutput.WriteObject(writer, json => ExportList.WriteJson(json, cachePath, image, extents));
            }
            else
            {
                ExportList.WriteText(writer, cachePath, image, extents);
            }
        }

        if (file.CanSeek)
        {
            file.Flush(flushToDisk: true);
        }
    }
}
