// Keeps true: neither cache nor backing is opened for writing; the output file is touched only after the range has been found valid; every byte that is written out is
// either what the cache holds or is listed as damaged on standard error.
using System.CommandLine;
using PCache.Core;

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
        var output = new Option<string>("--output") { Description = "Where the bytes go: a file, or - for standard output.", HelpName = "FILE or -", Required = true };
        Option<long?> offset = CommonOptions.Size("--offset", "First byte; 0 if not given.");
        Option<long?> length = CommonOptions.Size("--length", "Number of bytes; to the end if not given.");
        var damaged = new Option<string>("--damaged")
        {
            Description = "What to do where a payload doesn't fit its checksum: stop there, fill in zeros, or fill in what the backing has.",
            HelpName = "fail, zero or backing",
            DefaultValueFactory = _ => "fail",
        };
        damaged.AcceptOnlyFromAmong("fail", "zero", "backing");
        var anyBacking = new Option<bool>("--any-backing") { Description = "Read in front of this backing although it isn't the one that the cache is bound to." };
        var command = new ToolCommand(
            "read",
            "Reads through the cache, without changing cache or backing.",
            "pcache read cache.img disk.img --output copy.img",
            "pcache read cache.img disk.img --output - --offset 1M --length 4K | xxd");
        command.Add(cache);
        command.Add(backing);
        command.Add(output);
        command.Add(offset);
        command.Add(length);
        command.Add(damaged);
        command.Add(anyBacking);
        command.SetAction(parse =>
        {
            DamagedMode mode = Enum.Parse<DamagedMode>(parse.GetRequiredValue(damaged), ignoreCase: true);
            return Run(
                context,
                parse.GetRequiredValue(cache),
                parse.GetRequiredValue(backing),
                parse.GetRequiredValue(output),
                parse.GetValue(offset) ?? 0,
                parse.GetValue(length),
                mode,
                parse.GetValue(anyBacking));
        });
        return command;
    }

    private static int Run(ToolContext context, string cachePath, string backingPath, string outputPath, long offset, long? length, DamagedMode mode, bool anyBacking)
    {
        bool toStandardOutput = outputPath == "-";
        if (!toStandardOutput && (CacheFiles.SameFile(outputPath, cachePath) || CacheFiles.SameFile(outputPath, backingPath)))
        {
            throw ToolException.Refused($"'{outputPath}' is the cache or the backing itself. Give another file for --output.");
        }

        if (!toStandardOutput && Directory.Exists(outputPath))
        {
            throw ToolException.Refused($"'{outputPath}' is a directory. Give the path of a file for --output.");
        }

        using PCacheDevice device = CacheFiles.OpenDevice(cachePath, backingPath, new PCacheOptions { ReadOnly = true, RebindBacking = anyBacking });
        long deviceLength = device.Length;
        if (offset > deviceLength || (length is not null && length > deviceLength - offset))
        {
            throw ToolException.Usage($"The range ends beyond the device, which has {deviceLength} bytes. Give a smaller --offset or --length.");
        }

        using IBlockDevice plain = CacheFiles.OpenBacking(backingPath, readOnly: true);
        using Stream output = toStandardOutput ? context.OpenOutput() : new FileStream(outputPath, FileMode.Create, FileAccess.Write, FileShare.None, 0);
        var reader = new DamageTolerantReader(device, mode == DamagedMode.Backing ? plain : null, stopAtDamage: mode == DamagedMode.Fail);
        Copy(context, reader, output, offset, length ?? (deviceLength - offset));
        output.Flush();
        int exitCode = CacheFiles.ReportLost(context, device);
        foreach (DeviceRange range in reader.Damaged)
        {
            exitCode = ExitCode.Damage;
            string done = mode switch
            {
                DamagedMode.Zero => "filled with zeros",
                DamagedMode.Backing => "filled from the backing",
                _ => "stopped there. Give --damaged zero or --damaged backing to go on",
            };
            context.Error.WriteLine($"damaged: bytes {range.Offset}..{range.End - 1} ({range.LengthBytes} bytes) don't fit their checksum: {done}.");
        }

        return exitCode;
    }

    private static void Copy(ToolContext context, DamageTolerantReader reader, Stream output, long offset, long length)
    {
        using var progress = new ProgressBar(context, "reading");
        byte[] buffer = new byte[ChunkBytes];
        for (long done = 0; done < length;)
        {
            int wanted = (int)Math.Min(buffer.Length, length - done);
            int got = reader.Read(offset + done, buffer.AsSpan(0, wanted));
            output.Write(buffer, 0, got);
            if (got < wanted)
            {
                return;
            }

            done += got;
            progress.Report(done, length);
        }
    }
}
