// Keeps true: a damaged cache is written back only with consent, and only what is sound; "clean" is said only when
// the device says so after the drain; a failing backing is told with what was written; lost or damaged data always
// shows in the exit code.
using System.CommandLine;
using System.Globalization;
using PCache.Core;
using PCache.Core.Inspection;

namespace PCache.Tool.Commands;

/// <summary><c>pcache writeback</c>: drains a cache into its backing.</summary>
internal static class WritebackCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Argument<string> backing = CommonOptions.Backing();
        var acceptLost = new Option<bool>("--accept-lost")
        {
            Description = "Go on although the program that wrote the image has lost acknowledged writes.",
        };
        var anyBacking = new Option<bool>("--any-backing")
        {
            Description = "Write to this backing although it isn't the one that the cache is bound to, and bind it.",
        };
        var rescue = new Option<bool>("--rescue")
        {
            Description = "If the cache can't be opened for writing (damaged, or on a full disk): write what is sound, "
                + "and leave the cache as it is.",
        };
        var includeStale = new Option<bool>("--include-stale")
        {
            Description = "With --rescue: write also what is possibly stale or can't be verified.",
        };
        Option<long?> segmentSize = CommonOptions.SegmentSize();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "writeback",
            "Writes everything dirty to the backing.",
            "pcache writeback cache.img disk.img",
            "pcache writeback damaged.img disk.img --rescue");
        command.Add(cache);
        command.Add(backing);
        command.Add(acceptLost);
        command.Add(anyBacking);
        command.Add(rescue);
        command.Add(includeStale);
        command.Add(segmentSize);
        command.Add(json);
        command.SetAction((parse, cancellation) => Task.Run(() => RunAsync(
            context,
            new Request(
                parse.GetRequiredValue(cache),
                parse.GetRequiredValue(backing),
                parse.GetValue(acceptLost),
                parse.GetValue(anyBacking),
                parse.GetValue(rescue),
                parse.GetValue(includeStale),
                (int?)parse.GetValue(segmentSize),
                parse.GetValue(json)),
            cancellation), CancellationToken.None));
        return command;
    }

    private static async Task<int> RunAsync(ToolContext context, Request request, CancellationToken cancellation)
    {
        PCacheDevice device;
        CommandBacking target;
        try
        {
            using var bar = new OpenProgressBar(context);
            device = Open(
                request.Cache,
                request.Backing,
                new PCacheOptions
                {
                    StartWritebackPaused = true,
                    AcceptLostWrites = request.AcceptLost,
                    RebindBacking = request.AnyBacking,
                    OpenProgress = bar
                },
                out target);
        }
        catch (ToolException failure) when (RescueFiles.MayHelp(failure))
        {
            return RunRescued(context, request, failure, cancellation);
        }

        using (device)
        {
            using (var bar = new ProgressBar(context, "writing back"))
            {
                try
                {
                    await device.DrainAsync(
                        new DirectProgress<DrainProgress>(
                            p => bar.Report(p.WrittenBytes, p.WrittenBytes + p.RemainingBytes)),
                        cancellation).ConfigureAwait(false);
                }
                catch (PCacheDamagedDataException)
                {
                    // Everything else is on the backing; the ranges are listed below.
                }
                catch (Exception e) when (ErrorReport.IsFailedMedium(e))
                {
                    throw ErrorReport.Unfinished(
                        e,
                        target.WrittenBytes,
                        string.Create(
                            CultureInfo.InvariantCulture, $"{target.WrittenBytes} bytes were written to the backing."),
                        string.Create(CultureInfo.InvariantCulture,
                            $"{device.GetStatus().DirtyBytes} bytes stay dirty in the cache, where they are safe: make "
                            + $"room or mend the backing, then run the command again."));
                }
            }

            PCacheStatus status = device.GetStatus();
            int exitCode = CacheFiles.ReportLost(context, device);
            foreach (DeviceRange range in status.DamagedRanges)
            {
                exitCode = ExitCode.Damage;
                context.Error.WriteLine(
                    $"damaged: bytes {range.Offset}..{range.End - 1} ({range.LengthBytes} bytes) don't fit their "
                    + $"checksum; the backing keeps what it had there. Overwrite the range to repair it.");
            }

            if (request.Json)
            {
                JsonOutput.WriteObject(context.Out, writer =>
                {
                    writer.WriteNumber("writtenBytes", status.WritebackBytes);
                    writer.WriteNumber("dirtyBytes", status.DirtyBytes);
                    writer.WriteBoolean("clean", status.IsClean);
                    writer.WriteBoolean("rescued", false);
                    writer.WriteNumber("lostKeys", device.Recovery.LostKeys);
                    writer.WriteStartArray("damaged");
                    foreach (DeviceRange range in status.DamagedRanges)
                    {
                        writer.WriteStartObject();
                        writer.WriteNumber("offset", range.Offset);
                        writer.WriteNumber("length", range.LengthBytes);
                        writer.WriteEndObject();
                    }

                    writer.WriteEndArray();
                });
            }
            else
            {
                context.Out.WriteLine(status.IsClean
                    ? $"Wrote back {status.WritebackBytes} bytes; the cache is clean."
                    : $"Wrote back {status.WritebackBytes} bytes; {status.DirtyBytes} bytes remain dirty in the "
                        + $"cache.");
            }

            return status.IsClean ? exitCode : ExitCode.Damage;
        }
    }

    /// <summary>A damaged cache is written back only with consent, and stays as it is.</summary>
    private static int RunRescued(
        ToolContext context, Request request, ToolException failure, CancellationToken cancellation)
    {
        using RescueFiles files = RescueFiles.OpenInsteadOf(
            context, request.Cache, failure, request.SegmentSize, evenIfSound: request.Rescue);
        RescueImage image = files.Image;
        if (!request.Rescue)
        {
            string what = ErrorReport.FirstSentence(failure);
            string prefix =
                what.Contains(request.Cache, StringComparison.Ordinal) ? string.Empty : request.Cache + ": ";
            throw new ToolException(
                failure.ExitCode,
                $"{prefix}{what} The cache is damaged, so nothing was written. {RescueOutput.Sums(image)}. Copy the "
                + $"image first; "
                + $"then write what is sound with 'pcache writeback --rescue', or look at it with 'pcache "
                + $"export'.", failure);
        }

        using CommandBacking backing = CacheFiles.OpenBacking(request.Backing, readOnly: false);
        if (!request.AnyBacking && RescueBacking.FindMismatch(image, backing, cancellation) is string mismatch)
        {
            throw ToolException.Refused($"{request.Cache}: The cache {mismatch}. Give the backing that the cache "
                + $"belongs to, or consent to this one with --any-backing.");
        }

        if (image.Lost.Count > 0 && !request.AcceptLost)
        {
            throw ToolException.Refused($"{request.Cache}: {image.Lost.Count} ranges were lost by the program that "
                + $"wrote the image. Go on without them with --accept-lost.");
        }

        backing.FollowCache(image.Extension);
        RescueWriteback done;
        try
        {
            using var bar = new ProgressBar(context, "writing back", total => $"{total} ksets");
            done = image.WriteBack(
                backing, request.IncludeStale,
                new DirectProgress<InspectionProgress>(p => bar.Report(p.DoneBytes, p.TotalBytes)), cancellation);
        }
        catch (Exception e) when (ErrorReport.IsFailedMedium(e))
        {
            throw ErrorReport.Unfinished(
                e,
                backing.WrittenBytes,
                string.Create(
                    CultureInfo.InvariantCulture, $"{backing.WrittenBytes} bytes were written to the backing."),
                "The cache is as it was: make room or mend the backing, then run the command again, which begins "
                + "anew.");
        }

        if (request.Json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteNumber("writtenBytes", done.WrittenBytes);
                writer.WriteNumber("rangeBytes", done.RangeBytes);
                writer.WriteNumber("skippedBytes", done.SkippedBytes);
                writer.WriteBoolean("clean", false);
                writer.WriteBoolean("rescued", true);
                RescueOutput.WriteSums(writer, image);
                RescueOutput.WriteHoles(writer, image.Holes);
            });
        }
        else
        {
            context.Out.WriteLine($"Rescued {done.RangeBytes} bytes to the backing; {done.SkippedBytes} dirty bytes "
                + $"were left out. The cache is as it was.");
        }

        RescueOutput.PrintRanges(
            context.Error, image.Extents.Where(
                extent => extent.IsDirty && extent.State != RescueState.Sound
                    && !(request.IncludeStale && extent.State != RescueState.Damaged)), ": not written");
        RescueOutput.PrintRanges(
            context.Error, image.Extents.Where(
                extent => extent.IsDirty && extent.State is RescueState.PossiblyStale or RescueState.Unverifiable
                    && extent.IsDirty && request.IncludeStale), ": written all the same");
        RescueOutput.PrintLost(context.Error, image);
        return image.IsSound && done.SkippedBytes == 0 ? ExitCode.Done : ExitCode.Damage;
    }

    private static PCacheDevice Open(
        string cachePath, string backingPath, PCacheOptions options, out CommandBacking backing)
    {
        try
        {
            return CacheFiles.OpenDevice(cachePath, backingPath, options, out backing);
        }
        catch (ToolException error) when (error.InnerException is PCacheBackingMismatchException mismatch)
        {
            throw ToolException.Refused(
                $"{cachePath}: {ErrorReport.FirstSentence(mismatch)} Give the backing that the cache belongs to, or "
                + $"consent to this one with --any-backing.", mismatch);
        }
    }

    private sealed record Request(
        string Cache, string Backing, bool AcceptLost, bool AnyBacking, bool Rescue, bool IncludeStale,
        int? SegmentSize, bool Json);
}
