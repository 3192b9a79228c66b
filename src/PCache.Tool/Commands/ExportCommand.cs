// Keeps true: the cache is opened read-only; nothing that exists is overwritten without --force; an interrupted export leaves no file that looks like a whole one; what
// isn't in the output is in the list.
using System.CommandLine;
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
        var output = new Option<string>("--output") { Description = "The file to make: sparse, each range at its place on the device.", HelpName = "FILE", Required = true };
        var list = new Option<string?>("--list") { Description = "A file for the list of ranges: as text, or as JSON if its name ends in .json.", HelpName = "FILE" };
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

    private static int Run(ToolContext context, string cachePath, string outputPath, string? listPath, bool all, int? segmentSize, bool force, bool json, CancellationToken cancellation)
    {
        SqliteCaches.Refuse(cachePath);
        CheckTarget(cachePath, outputPath, "--output", force);
        if (listPath is not null)
        {
            CheckTarget(cachePath, listPath, "--list", force);
            if (CacheFiles.SameFile(outputPath, listPath))
            {
                throw ToolException.Usage("--output and --list are the same file. Give two.");
            }
        }

        using RescueFiles files = RescueFiles.Open(context, cachePath, segmentSize);
        RescueImage image = files.Image;
        RescueExtent[] extents = [.. image.Extents.Where(extent => all || extent.IsDirty)];
        if (listPath is not null && !CacheFiles.IsDevice(listPath))
        {
            // Whether it can be written is found out now, and an older list doesn't stay beside a newer export.
            File.WriteAllBytes(listPath, []);
        }

        long written = WriteOutput(context, image, extents, outputPath, cancellation);
        if (listPath is not null)
        {
            WriteList(cachePath, listPath, image, extents);
        }

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
                context.Out.WriteLine("Note: without the list nobody can tell the ranges from the holes between them. Give --list or --json to keep it.");
            }
        }

        FindingsOutput.Print(context.Error, image.Findings);
        return image.IsSound ? ExitCode.Done : ExitCode.Damage;
    }

    private static void CheckTarget(string cachePath, string path, string option, bool force)
    {
        if (Directory.Exists(path))
        {
            throw ToolException.Refused($"'{path}' is a directory. Give the path of a file for {option}.");
        }

        if (CacheFiles.SameFile(path, cachePath))
        {
            throw ToolException.Refused($"'{path}' is the cache itself. Give another file for {option}.");
        }

        if (!force && File.Exists(path) && (CacheFiles.IsDevice(path) || new FileInfo(path).Length > 0))
        {
            throw ToolException.Refused($"'{path}' exists already. Give another file for {option}, or --force to overwrite it.");
        }
    }

    private static long WriteOutput(ToolContext context, RescueImage image, RescueExtent[] extents, string path, CancellationToken cancellation)
    {
        // A file that can't be opened isn't ours: it stays.
        using var file = new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.None, 0);
        bool done = false;
        try
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

            file.Flush(flushToDisk: true);
            done = true;
            return written;
        }
        finally
        {
            if (!done && File.Exists(path) && !CacheFiles.IsDevice(path))
            {
                File.Delete(path);
            }
        }
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

    private static void WriteList(string cachePath, string listPath, RescueImage image, RescueExtent[] extents)
    {
        using var writer = new StreamWriter(listPath, append: false);
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
}
