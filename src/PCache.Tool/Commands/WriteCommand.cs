// Keeps true: the input's length is known, and fits the device, before the cache is opened for writing; the backing
// isn't written (write-back is paused), so an input for which the cache has no room is refused rather than waited
// for; success is reported only after a flush.
using System.CommandLine;
using PCache.Core;
using PCache.Core.Files;
using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool.Commands;

/// <summary><c>pcache write</c>: writes through the cache; the data is dirty in the cache afterwards.</summary>
internal static class WriteCommand
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Segments that never hold payload: the log's own, and its reserve.</summary>
    private const int LogSegments = 3;

    /// <summary>
    /// How long garbage collection may take to make room; write-back, which could make more, is paused.
    /// </summary>
    private static readonly TimeSpan SpaceTimeout = TimeSpan.FromSeconds(5);

    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Argument<string> backing = CommonOptions.Backing();
        var input = new Option<string>("--input")
        {
            Description = "Where the bytes come from: a file, or - for standard input.",
            HelpName = "FILE or -",
            Required = true,
        };
        Option<long?> offset = CommonOptions.Size("--offset", "Where the first byte goes; 0 if not given.");
        var noFlush = new Option<bool>("--no-flush")
        {
            Description =
                "End without flush or close, as a crash would: the writes may or may not be there afterwards.",
        };
        var command = new ToolCommand(
            "write",
            "Writes through the cache and flushes. The data stays dirty in the cache: the backing gets it with 'pcache "
            + "writeback'.",
            "pcache write cache.img disk.img --input block.bin --offset 64K",
            "echo hello | pcache write cache.img disk.img --input -");
        command.Add(cache);
        command.Add(backing);
        command.Add(input);
        command.Add(offset);
        command.Add(noFlush);
        command.SetAction(parse => Run(
            context,
            parse.GetRequiredValue(cache),
            parse.GetRequiredValue(backing),
            parse.GetRequiredValue(input),
            parse.GetValue(offset) ?? 0,
            parse.GetValue(noFlush)));
        return command;
    }

    private static int Run(
        ToolContext context, string cachePath, string backingPath, string inputPath, long offset, bool noFlush)
    {
        CacheFiles.RequireCache(cachePath);
        if (inputPath != "-" && CacheFiles.SameFile(inputPath, cachePath))
        {
            throw ToolException.Refused($"'{inputPath}' is the cache itself. Give another file for --input.");
        }

        using CommandBacking plain = CacheFiles.OpenBacking(backingPath, readOnly: true);
        long room = plain.Length - offset;
        if (room < 0)
        {
            throw PastEnd(plain.Length);
        }

        using FileStream input = OpenInput(context, inputPath, room, plain.Length);
        if (input.Length > room)
        {
            throw PastEnd(plain.Length);
        }

        plain.Dispose();
        RefuseIfTooLarge(cachePath, input.Length);
        PCacheDevice device = CacheFiles.OpenDevice(
            cachePath, backingPath, new PCacheOptions { StartWritebackPaused = true, SpaceTimeout = SpaceTimeout });
        try
        {
            Copy(context, input, device, offset);
            if (noFlush)
            {
                context.Out.WriteLine($"Wrote {input.Length} bytes at {offset}, without flush or close.");
                context.Out.Flush();
                Environment.Exit(ExitCode.Done);
            }

            device.Flush();
            int exitCode = CacheFiles.ReportLost(context, device);
            context.Out.WriteLine($"Wrote {input.Length} bytes at {offset}; they are safe in the cache, and dirty "
                + $"until 'pcache writeback'.");
            return exitCode;
        }
        finally
        {
            device.Dispose();
        }
    }

    /// <summary>Refuses an input that can't fit beside what is dirty, before anything is changed.</summary>
    private static void RefuseIfTooLarge(string cachePath, long lengthBytes)
    {
        using PmemRegion region = CacheFiles.OpenRegion(cachePath, readOnly: true);
        CacheImageStatus status = CacheFiles.Naming(cachePath, () => CacheImage.ReadStatus(region));
        long capacity = Math.Max(
            0, status.ChainLength - LogSegments) * ((long)status.SegmentSizeBytes - MediaConstants.SegmentDataOffset);
        if (lengthBytes > capacity - status.DirtyBytes)
        {
            throw ToolException.Refused(
                $"The cache has room for {Math.Max(0, capacity - status.DirtyBytes)} bytes, the input has "
                + $"{lengthBytes}. Run 'pcache writeback' first, write less, or use a larger cache.");
        }
    }

    private static ToolException PastEnd(long lengthBytes) =>
        ToolException.Usage(
            $"The input ends beyond the device, which has {lengthBytes} bytes. Give a smaller --offset or less input.");

    /// <summary>
    /// A stream of known length: a file as it is; a pipe is collected first, so that nothing is written if it turns
    /// out too long.
    /// </summary>
    private static FileStream OpenInput(ToolContext context, string path, long room, long deviceLength)
    {
        if (path != "-")
        {
            CacheFiles.RequireFile(path, "input");
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0);
            if (file.CanSeek)
            {
                return file;
            }

            using (file)
            {
                return Collect(file, room, deviceLength);
            }
        }

        using Stream input = context.OpenInput();
        return Collect(input, room, deviceLength);
    }

    private static FileStream Collect(Stream input, long room, long deviceLength)
    {
        var spool = new FileStream(
            Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()),
            PrivateOptions());
        try
        {
            byte[] buffer = new byte[ChunkBytes];
            for (int read = input.Read(buffer); read > 0; read = input.Read(buffer))
            {
                if (read > room - spool.Length)
                {
                    throw PastEnd(deviceLength);
                }

                spool.Write(buffer, 0, read);
            }

            spool.Position = 0;
            return spool;
        }
        catch
        {
            spool.Dispose();
            throw;
        }
    }

    /// <summary>No other user may read what is going into the cache.</summary>
    private static FileStreamOptions PrivateOptions()
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Options = FileOptions.DeleteOnClose
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = PrivateFile.OwnerOnly;
        }

        return options;
    }

    private static void Copy(ToolContext context, Stream input, PCacheDevice device, long offset)
    {
        using var progress = new ProgressBar(context, "writing");
        long total = input.Length;
        long done = 0;
        byte[] buffer = new byte[ChunkBytes];
        while (done < total)
        {
            int read = input.ReadAtLeast(
                buffer.AsSpan(0, (int)Math.Min(buffer.Length, total - done)), 1, throwOnEndOfStream: false);
            if (read == 0)
            {
                throw new ToolException(
                    done > 0 ? ExitCode.Damage : ExitCode.Refused, $"The input became shorter while it was read: "
                        + $"{done} of {total} bytes were written. Run the command again.");
            }

            try
            {
                device.Write(offset + done, buffer.AsSpan(0, read));
            }
            catch (PCacheFullException full)
            {
                throw new ToolException(
                    done > 0 ? ExitCode.Damage : ExitCode.Refused,
                    $"The cache is full: the first {done} bytes of the input are in it, perhaps more. Run 'pcache "
                    + $"writeback' to make room, then write the rest.", full);
            }
            catch (Exception e) when (ErrorReport.IsFailedMedium(e))
            {
                throw ErrorReport.Unfinished(e, done, $"The first {done} bytes of the input are in the cache, perhaps "
                    + $"more.", "Run 'pcache check' on the cache, then write the rest.");
            }

            done += read;
            progress.Report(done, total);
        }
    }
}
