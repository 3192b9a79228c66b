// Keeps true: every argument is checked before a file is touched; content that isn't all zeros is overwritten only
// with --force, dirty data (or what may be some) only with --discard-dirty too, and never while another process uses
// the file; a file that this call made is removed again when formatting it fails, still under its lock.
using System.CommandLine;
using System.Numerics;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
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
        var dataCrc = new Option<bool>(
            "--data-crc")
        { Description = "Keep a checksum of every payload, verified on every read." };
        Option<int?> gcPercent = CommonOptions.GcPercent();
        Option<long?> segmentSize = CommonOptions.Size("--segment-size", "Compact geometry with segments of this size, "
            + "a power of two from 64K to 16M; Linux refuses it. Without it: Linux's geometry, 16M.");
        segmentSize.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1
                && SizeText.TryParse(result.Tokens[0].Value, out long bytes)
                && (bytes is < MediaConstants.MinSegmentSize or > MediaConstants.LinuxSegmentSize
                    || !long.IsPow2(bytes)))
            {
                result.AddError("The segment size must be a power of two from 64K to 16M.");
            }
        });
        Option<string?> label = CommonOptions.Label();
        var force = new Option<bool>("--force")
        {
            Description = "Overwrite what an existing file holds, unless that is a cache with dirty data.",
        };
        var discardDirty = new Option<bool>(
            "--discard-dirty")
        { Description = "With --force: destroy also dirty data, which no backing has." };
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
        command.Add(discardDirty);
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
            new Consent(parse.GetValue(force), parse.GetValue(discardDirty))));
        return command;
    }

    private static int Run(ToolContext context, string path, long size, FormatParameters parameters, Consent consent)
    {
        bool isLinux = parameters.SegmentSizeBytes is null;
        int segmentSize = parameters.SegmentSizeBytes ?? MediaConstants.LinuxSegmentSize;
        long leastSize = MediaConstants.SegmentsOffset + (long)MediaConstants.MinCompactSegments * segmentSize;
        if (size < leastSize)
        {
            throw TooSmall(size, segmentSize, leastSize, isLinux);
        }

        if (Directory.Exists(path))
        {
            throw ToolException.Refused($"'{path}' is a directory. Give the path of a file.");
        }

        if (Path.Exists(path))
        {
            FormatExisting(context, path, size, parameters, consent);
        }
        else
        {
            FormatNew(path, size, parameters);
        }

        int segments = Geometry.SegmentsThatFit(size, segmentSize);
        context.Out.WriteLine($"Made {path}: {segments} segments of {SizeText.Exact(segmentSize)}, payload checksums "
            + $"{(parameters.PayloadCrc ? "on" : "off")}.");
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

        // Create fails, and removes nothing, if another process has made the file meanwhile.
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

    private static void FormatExisting(
        ToolContext context, string path, long size, FormatParameters parameters, Consent consent)
    {
        FileFacts? facts = InputFiles.TryFacts(path);
        if (facts is { Kind: not (FileKind.Regular or FileKind.Block) })
        {
            throw ToolException.Refused($"'{path}' is neither a file nor a block device. Give another path.");
        }

        bool seen = false;
        if (facts?.Kind != FileKind.Block && !CacheFiles.IsDevice(path))
        {
            seen = Resize(context, path, size, consent);
        }

        using PmemRegion region = CacheFiles.Naming(path, () => PmemFile.Open(path));
        if (region.LengthBytes != size)
        {
            throw ToolException.Refused($"'{path}' has {region.LengthBytes} bytes, which can't be changed. Give --size "
                + $"{SizeText.Exact(region.LengthBytes)}.");
        }

        if (!seen && !IsZero(region))
        {
            RequireConsent(context, path, region, consent);
        }

        CacheFiles.Naming(path, () => Format(region, parameters));
    }

    /// <summary>
    /// Brings an ordinary file to its size, under its lock, once there is consent to lose what is in it. Returns
    /// whether that has been looked at: not where the length fits, since the process that opens the file next under
    /// its lock can check for itself.
    /// </summary>
    private static bool Resize(ToolContext context, string path, long size, Consent consent) =>
        CacheFiles.Naming(path, () =>
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None, 0);
        if (file.Length == size)
        {
            return false;
        }

        if (!IsZero(file))
        {
            if (file.Length < PmemFile.MinLengthBytes)
            {
                RequireForce(path, consent);
            }
            else
            {
                // The handle stays the stream's, and so does the lock.
                var handle = new SafeFileHandle(file.SafeFileHandle.DangerousGetHandle(), ownsHandle: false);
                FileMapping mapping = FileMapping.Map(handle, file.Length, readOnly: true, synchronous: false);
                using var region = new MappedFileRegion(
                    handle, mapping, file.Length, new PmemFileOptions { ReadOnly = true });
                RequireConsent(context, path, region, consent);
            }

            // It no longer passes for a cache, should another process open it before it is locked again.
            RandomAccess.Write(file.SafeFileHandle, new byte[MediaConstants.SegmentsOffset], 0);
        }

        file.SetLength(size);
        return true;
    });

    private static void RequireForce(string path, Consent consent)
    {
        if (!consent.Force)
        {
            throw ToolException.Refused(
                $"'{path}' exists and isn't empty. Give another path, or --force to overwrite what it holds.");
        }
    }

    /// <summary>
    /// Consent to destroy what isn't all zeros; of a cache with data that no backing has, or that may have such data,
    /// to destroy that too.
    /// </summary>
    private static void RequireConsent(ToolContext context, string path, PmemRegion region, Consent consent)
    {
        string? dirty = DirtyContent.Describe(context, region);
        if (!consent.Force)
        {
            RequireForce(path, consent);
        }

        if (dirty is null)
        {
            return;
        }

        if (!consent.DiscardDirty)
        {
            throw ToolException.Refused($"'{path}' {dirty}. Write that back with 'pcache writeback' or save it with "
                + $"'pcache export'; or destroy it with --discard-dirty.");
        }

        context.Out.WriteLine($"Destroying what was in it: '{path}' {dirty}.");
    }

    private static ToolException TooSmall(long size, int segmentSize, long leastSize, bool isLinux)
    {
        const int segments = MediaConstants.MinCompactSegments;
        long leastOfAll = MediaConstants.SegmentsOffset + ((long)segments * MediaConstants.MinSegmentSize);
        long segmentThatFits = Math.Min((size - MediaConstants.SegmentsOffset) / segments, segmentSize / 2);
        string other = segmentThatFits < MediaConstants.MinSegmentSize
            ? $"the smallest cache, with --segment-size {SizeText.Exact(MediaConstants.MinSegmentSize)}, has "
                + $"{SizeText.RoundedUp(leastOfAll)} (--size {SizeText.Exact(leastOfAll)})"
            : $"{(isLinux ? "for the compact geometry, which is for caches as small as this, give" : "or give")} "
                + $"--segment-size "
                + $"{SizeText.Exact((long)BitOperations.RoundUpToPowerOf2((ulong)segmentThatFits + 1) / 2)} or less";
        return ToolException.Usage(
            $"{SizeText.Exact(size)} is too small: {segments} segments of "
            + $"{SizeText.Exact(segmentSize)}{(isLinux ? " (the Linux geometry)" : string.Empty)} need at least "
            + $"{SizeText.RoundedUp(leastSize)} (--size {SizeText.Exact(leastSize)}); {other}.");
    }

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

    private readonly record struct Consent(bool Force, bool DiscardDirty);
}
