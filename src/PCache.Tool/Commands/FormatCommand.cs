// Keeps true: every argument is checked before a file is touched; content that isn't all zeros is overwritten only with --force, and never while somebody
// else uses the file; a file that this call made is removed again when formatting it fails.
using System.CommandLine;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Tool.Commands;

/// <summary><c>pcache format</c>: makes a cache file.</summary>
internal static class FormatCommand
{
    private const int ScanBytes = 1 << 20;

    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Option<long?> size = CommonOptions.Size("--size", "Size of the cache file.");
        size.Required = true;
        var dataCrc = new Option<bool>("--data-crc") { Description = "Keep a checksum of every payload, verified on every read." };
        Option<int?> gcPercent = CommonOptions.GcPercent();
        Option<long?> segmentSize = CommonOptions.Size("--segment-size", "Compact geometry with segments of this size, a power of two from 64K to 16M; Linux refuses it. Without it: Linux's geometry, 16M.");
        segmentSize.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1
                && SizeText.TryParse(result.Tokens[0].Value, out long bytes)
                && (bytes is < MediaConstants.MinSegmentSize or > MediaConstants.LinuxSegmentSize || !long.IsPow2(bytes)))
            {
                result.AddError("The segment size must be a power of two from 64K to 16M.");
            }
        });
        Option<string?> label = CommonOptions.Label();
        var force = new Option<bool>("--force") { Description = "Overwrite what an existing file holds." };
        var command = new ToolCommand(
            "format",
            "Makes a cache file.",
            "pcache format cache.img --size 1G --data-crc",
            "pcache format small.img --size 16M --segment-size 256K --label scratch");
        command.Add(cache);
        command.Add(size);
        command.Add(dataCrc);
        command.Add(gcPercent);
        command.Add(segmentSize);
        command.Add(label);
        command.Add(force);
        command.SetAction(parse => Run(
            context,
            parse.GetRequiredValue(cache),
            parse.GetRequiredValue(size)!.Value,
            new FormatParameters
            {
                SegmentSizeBytes = (int?)parse.GetValue(segmentSize),
                PayloadCrc = parse.GetValue(dataCrc),
                GcPercent = parse.GetValue(gcPercent) ?? CacheFlags.DefaultGcPercent,
                Label = parse.GetValue(label),
            },
            parse.GetValue(force)));
        return command;
    }

    private static int Run(ToolContext context, string path, long size, FormatParameters parameters, bool force)
    {
        bool isLinux = parameters.SegmentSizeBytes is null;
        int segmentSize = parameters.SegmentSizeBytes ?? MediaConstants.LinuxSegmentSize;
        long leastSize = MediaConstants.SegmentsOffset + (long)MediaConstants.MinCompactSegments * segmentSize;
        if (size < leastSize)
        {
            throw ToolException.Usage($"{SizeText.Exact(size)} is too small: {MediaConstants.MinCompactSegments} segments of {SizeText.Exact(segmentSize)} need at least {SizeText.Exact(leastSize)}. Give a larger --size or a smaller --segment-size.");
        }

        if (Directory.Exists(path))
        {
            throw ToolException.Refused($"'{path}' is a directory. Give the path of a file.");
        }

        if (Path.Exists(path))
        {
            FormatExisting(path, size, parameters, force);
        }
        else
        {
            FormatNew(path, size, parameters);
        }

        int segments = Geometry.SegmentsThatFit(size, segmentSize);
        context.Out.WriteLine($"Made {path}: {segments} segments of {SizeText.Exact(segmentSize)}, payload checksums {(parameters.PayloadCrc ? "on" : "off")}.");
        if (isLinux && size < MediaConstants.LinuxMinDeviceSize)
        {
            context.Out.WriteLine("Note: Linux refuses caches under 512M; this one works here only.");
        }

        return ExitCode.Done;
    }

    private static void FormatNew(string path, long size, FormatParameters parameters)
    {
        string? directory = Path.GetDirectoryName(Path.GetFullPath(path));
        if (directory is not null && !Directory.Exists(directory))
        {
            throw ToolException.Refused($"There is no directory '{directory}'. Make it first.");
        }

        // Create fails, and removes nothing, if somebody else has made the file meanwhile.
        PmemRegion region = CacheFiles.Naming(path, () => PmemFile.Create(path, size));
        try
        {
            CacheFiles.Naming(path, () => Format(region, parameters));
        }
        catch
        {
            region.Abandon(); // under its lock, and only the file that we have made
            throw;
        }

        region.Dispose();
    }

    private static void FormatExisting(string path, long size, FormatParameters parameters, bool force)
    {
        if (!CacheFiles.IsDevice(path))
        {
            Resize(path, size, force);
        }

        using PmemRegion region = CacheFiles.Naming(path, () => PmemFile.Open(path));
        if (region.LengthBytes != size)
        {
            throw ToolException.Refused($"'{path}' has {region.LengthBytes} bytes, which can't be changed. Give --size {SizeText.Exact(region.LengthBytes)}.");
        }

        if (!force && !IsZero(region))
        {
            throw HasContent(path);
        }

        CacheFiles.Naming(path, () => Format(region, parameters));
    }

    /// <summary>Brings an ordinary file to its size, under its lock, once nothing in it is lost by that.</summary>
    private static void Resize(string path, long size, bool force)
    {
        CacheFiles.Naming(path, () =>
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 0);
            if (!force && !IsZero(file))
            {
                throw HasContent(path);
            }

            if (file.Length != size)
            {
                file.SetLength(size);
            }

            return true;
        });
    }

    private static ToolException HasContent(string path) =>
        ToolException.Refused($"'{path}' exists and isn't empty. Give another path, or --force to overwrite what it holds.");

    private static bool Format(PmemRegion region, FormatParameters parameters)
    {
        Formatter.Format(region, parameters);
        return true;
    }

    private static bool IsZero(FileStream file)
    {
        byte[] buffer = new byte[ScanBytes];
        for (int read = file.Read(buffer); read > 0; read = file.Read(buffer))
        {
            if (buffer.AsSpan(0, read).ContainsAnyExcept((byte)0))
            {
                return false;
            }
        }

        return true;
    }

    private static bool IsZero(PmemRegion region)
    {
        for (long offset = 0; offset < region.LengthBytes; offset += ScanBytes)
        {
            int count = (int)Math.Min(ScanBytes, region.LengthBytes - offset);
            if (region.ReadSpan(offset, count).ContainsAnyExcept((byte)0))
            {
                return false;
            }
        }

        return true;
    }
}
