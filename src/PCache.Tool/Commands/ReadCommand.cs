// Keeps true: a cache that is too damaged to open is rescued as far as it can be; neither cache nor backing is opened
// for writing; the output file is touched only after the range has been found valid, and is neither cache nor
// backing, whatever it is called; nothing is overwritten without --force; every byte that is written out is either
// what the cache holds or is listed as damaged on standard error.
using System.CommandLine;
using System.Globalization;
using PCache.Core;
using PCache.Core.Inspection;

namespace PCache.Tool.Commands;

/// <summary><c>pcache read</c>: content as seen through the cache.</summary>
internal static class ReadCommand
{
    private const int ChunkBytes = 1 << 20;

    private enum DamagedMode
    {
        Fail,
        Zero,
        Backing,
    }

    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Argument<string> backing = CommonOptions.Backing();
        var output = new Option<string>("--output")
        {
            Description = "Where the bytes go: a file, or - for standard output.",
            HelpName = "FILE or -",
            Required = true,
        };
        Option<long?> offset = CommonOptions.Size("--offset", "First byte; 0 if not given.");
        Option<long?> length = CommonOptions.Size("--length", "Number of bytes; to the end if not given.");
        var damaged = new Option<string>("--damaged")
        {
            Description = "What to do where a payload doesn't fit its checksum: stop there, fill in zeros, or fill in "
                + "what the backing has.",
            HelpName = "fail, zero or backing",
            DefaultValueFactory = _ => "fail",
        };
        damaged.AcceptOnlyFromAmong("fail", "zero", "backing");
        var includeStale = new Option<bool>("--include-stale")
        {
            Description = "Of a damaged cache: take what is possibly stale or can't be verified as it is.",
        };
        Option<long?> segmentSize = CommonOptions.SegmentSize();
        var anyBacking = new Option<bool>("--any-backing")
        {
            Description = "Read in front of this backing although it isn't the one that the cache is bound to.",
        };
        var force = new Option<bool>("--force") { Description = "Overwrite the output if it exists and isn't empty." };
        var command = new ToolCommand(
            "read",
            "Reads through the cache, without changing cache or backing.",
            "pcache read cache.img disk.img --output copy.img",
            "pcache read cache.img disk.img --output - --offset 1M --length 4K | xxd",
            "pcache read damaged.img disk.img --output copy.img --damaged backing");
        command.Add(cache);
        command.Add(backing);
        command.Add(output);
        command.Add(offset);
        command.Add(length);
        command.Add(damaged);
        command.Add(includeStale);
        command.Add(segmentSize);
        command.Add(anyBacking);
        command.Add(force);
        command.SetAction((parse, cancellation) => Task.Run(() => Run(
            context,
            new Request(
                parse.GetRequiredValue(cache),
                parse.GetRequiredValue(backing),
                parse.GetRequiredValue(output),
                parse.GetValue(offset) ?? 0,
                parse.GetValue(length),
                Enum.Parse<DamagedMode>(parse.GetRequiredValue(damaged), ignoreCase: true),
                parse.GetValue(includeStale),
                (int?)parse.GetValue(segmentSize),
                parse.GetValue(anyBacking),
                parse.GetValue(force)),
            cancellation), CancellationToken.None));
        return command;
    }

    private static int Run(ToolContext context, Request request, CancellationToken cancellation)
    {
        var inputs = new InputFiles();
        inputs.Add(request.Cache, "the cache");
        inputs.Add(request.Backing, "the backing");
        if (request.Output == "-")
        {
            if (context.OutputHandle is { } handle && inputs.Find(handle) is string role)
            {
                throw ToolException.Refused($"Standard output is {role} itself. Give another file, or --output FILE.");
            }
        }
        else
        {
            OutputFile.Check(request.Output, "--output", request.Force, inputs);
        }

        PCacheDevice device;
        try
        {
            using var bar = new OpenProgressBar(context);
            device = CacheFiles.OpenDevice(request.Cache, request.Backing,
                new PCacheOptions { ReadOnly = true, RebindBacking = request.AnyBacking, OpenProgress = bar });
        }
        catch (ToolException failure) when (failure.InnerException is PCacheBackingMismatchException mismatch)
        {
            throw ToolException.Refused(
                $"{request.Cache}: {ErrorReport.FirstSentence(mismatch)} Give the backing that the cache belongs to, "
                + $"or read in front of this one with --any-backing.", mismatch);
        }
        catch (ToolException failure) when (RescueFiles.MayHelp(failure))
        {
            return RunRescued(context, request, inputs, failure, cancellation);
        }

        using (device)
        {
            long length = LengthOf(request, device.Length);
            using IBlockDevice plain = CacheFiles.OpenBacking(request.Backing, readOnly: true);
            using var output = new Target(context, request, inputs);
            var reader = new DamageTolerantReader(device, request.Mode == DamagedMode.Backing ? plain : null,
                stopAtDamage: request.Mode == DamagedMode.Fail);
            Copy(context, reader.Read, output, request.Offset, length, cancellation);
            int exitCode = CacheFiles.ReportLost(context, device);
            foreach (DeviceRange range in reader.Damaged)
            {
                exitCode = ExitCode.Damage;
                context.Error.WriteLine($"damaged: bytes {range.Offset}..{range.End - 1} ({range.LengthBytes} bytes) "
                    + $"don't fit their checksum: {Done(request.Mode)}.");
            }

            return exitCode;
        }
    }

    /// <summary>What couldn't be opened is rescued: what is sound comes out, the rest is listed.</summary>
    private static int RunRescued(
        ToolContext context, Request request, InputFiles inputs, ToolException failure, CancellationToken cancellation)
    {
        using RescueFiles files = RescueFiles.OpenInsteadOf(context, request.Cache, failure, request.SegmentSize);
        using CommandBacking backing = CacheFiles.OpenBacking(request.Backing, readOnly: true);
        if (!request.AnyBacking && RescueBacking.FindMismatch(files.Image, backing, cancellation) is string mismatch)
        {
            throw ToolException.Refused($"{request.Cache}: The cache {mismatch}. Give the backing that the cache "
                + $"belongs to, or consent to this one with --any-backing.");
        }

        long length = LengthOf(request, backing.Length);
        context.Error.WriteLine(
            $"damaged: {failure.Message} What can be rescued is read: {RescueOutput.Sums(files.Image)}.");
        List<RescueExtent> untrusted = [];
        RescueFill fill = request.Mode switch
        {
            DamagedMode.Zero => RescueFill.Zeros,
            DamagedMode.Backing => RescueFill.Backing,
            _ => RescueFill.Stop,
        };
        using var output = new Target(context, request, inputs);
        Copy(
            context,
            (offset, buffer) => files.Image.Read(offset, buffer, backing, fill, request.IncludeStale, untrusted),
            output,
            request.Offset,
            length,
            cancellation);
        RescueOutput.PrintRanges(
            context.Error, untrusted.Where(extent => extent.State == RescueState.Damaged || !request.IncludeStale),
            ": " + Done(request.Mode));
        RescueOutput.PrintRanges(
            context.Error, untrusted.Where(extent => extent.State != RescueState.Damaged && request.IncludeStale),
            ": taken as they are");
        RescueOutput.PrintLost(context.Error, files.Image);
        return ExitCode.Damage;
    }

    private static string Done(DamagedMode mode) => mode switch
    {
        DamagedMode.Zero => "filled with zeros",
        DamagedMode.Backing => "filled from the backing",
        _ => "stopped there. Give --damaged zero or --damaged backing to go on",
    };

    private static long LengthOf(Request request, long deviceLength) =>
        request.Offset > deviceLength || (request.Length is long wanted && wanted > deviceLength - request.Offset)
            ? throw ToolException.Usage($"The range ends beyond the device, which has {deviceLength} bytes. Give a "
                + $"smaller --offset or --length.")
            : request.Length ?? (deviceLength - request.Offset);

    private static void Copy(
        ToolContext context, Reader read, Target target, long offset, long length, CancellationToken cancellation)
    {
        using var progress = new ProgressBar(context, "reading");
        byte[] buffer = new byte[ChunkBytes];
        for (long done = 0; done < length;)
        {
            cancellation.ThrowIfCancellationRequested();
            int wanted = (int)Math.Min(buffer.Length, length - done);
            int got = read(offset + done, buffer.AsSpan(0, wanted));
            target.Write(buffer.AsSpan(0, got));
            if (got < wanted)
            {
                break;
            }

            done += got;
            progress.Report(done, length);
        }

        target.Keep();
    }

    /// <summary>
    /// Where the bytes go. Opened when the range has been found valid; a file that isn't kept is gone afterwards, or
    /// empty.
    /// </summary>
    private sealed class Target : IDisposable
    {
        private readonly OutputFile? _file;
        private readonly Stream _stream;
        private long _written;

        public Target(ToolContext context, Request request, InputFiles inputs)
        {
            if (request.Output == "-")
            {
                _stream = context.OpenOutput();
                return;
            }

            // Once more: what has the names by now.
            inputs.Add(request.Cache, "the cache");
            inputs.Add(request.Backing, "the backing");
            _file = OutputFile.Open(
                request.Output, "--output", request.Force, inputs, InputFiles.TryFacts(request.Cache));
            _file.Begin();
            _stream = _file.Stream;
        }

        public void Write(ReadOnlySpan<byte> bytes)
        {
            try
            {
                _stream.Write(bytes);
                _written += bytes.Length;
            }
            catch (IOException e)
            {
                throw Failed(e);
            }
        }

        public void Keep()
        {
            try
            {
                _stream.Flush();
                _file?.Keep();
            }
            catch (IOException e)
            {
                throw Failed(e);
            }
        }

        public void Dispose()
        {
            if (_file is null)
            {
                _stream.Dispose();
            }

            _file?.Dispose();
        }

        /// <summary>What standard output has got stays; a file goes.</summary>
        private ToolException Failed(IOException e) => ErrorReport.Unfinished(
            e,
            _file is { IsRegular: true } ? 0 : _written,
            string.Create(CultureInfo.InvariantCulture, $"{_written} bytes were written to the output."),
            "Cache and backing are as they were. Make room, or give another place.");
    }

    private delegate int Reader(long offset, Span<byte> buffer);

    private sealed record Request(
        string Cache, string Backing, string Output, long Offset, long? Length, DamagedMode Mode, bool IncludeStale,
        int? SegmentSize, bool AnyBacking, bool Force);
}
