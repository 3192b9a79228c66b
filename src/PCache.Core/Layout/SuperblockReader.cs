using System.Globalization;
using System.Runtime.InteropServices;
using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <summary>
/// Reads the superblock. Keeps true: a geometry that comes out of here never reaches beyond the device, whatever the
/// medium says; magic 0 is "never formatted" and never an invitation to format.
/// </summary>
internal static class SuperblockReader
{
    private const string Structure = "superblock";

    /// <summary>
    /// The geometry and the flags word. Null only where findings are collected, and there is none to go on with.
    /// </summary>
    /// <exception cref="PCacheNotFormattedException">Magic 0, or a device too small for a superblock; also where
    /// findings are collected.</exception>
    public static Geometry? Read(PmemRegion region, FindingReporter report, out uint flags)
    {
        const long Offset = MediaConstants.SuperblockOffset;
        flags = 0;
        if (region.LengthBytes < Offset + MediaConstants.BlockSize)
        {
            throw new PCacheNotFormattedException(string.Create(
                CultureInfo.InvariantCulture, $"The device has {region.LengthBytes} bytes, too few for a cache: there "
                    + $"is none on it. Check the path."));
        }

        Superblock block = default;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<Superblock>(ref block));
        try
        {
            region.ReadMetadata(Offset, bytes);
        }
        catch (IOException e) when (!report.IsStrict)
        {
            report.Damage(Structure, Offset, "It can't be read: " + e.Message);
            return null;
        }

        if (block.Magic == 0)
        {
            throw new PCacheNotFormattedException(NotFormattedText(region));
        }

        bool isLinux = block.Magic == MediaConstants.SuperblockMagicLinux;
        if (!isLinux && block.Magic != MediaConstants.SuperblockMagicCompact)
        {
            report.Damage(Structure, Offset, string.Create(
                CultureInfo.InvariantCulture,
                $"The magic is 0x{block.Magic:X16}, allowed are 0x{MediaConstants.SuperblockMagicLinux:X16} and "
                + $"0x{MediaConstants.SuperblockMagicCompact:X16}. This isn't a cache, or its superblock is "
                + $"destroyed."));
            return null;
        }

        uint crc = StructureChecksum.Of(bytes[4..]);
        if (block.Crc != crc)
        {
            // The other fields are validated anyway: an inspection goes on with them.
            report.Damage(Structure, Offset, string.Create(
                CultureInfo.InvariantCulture, $"The crc is 0x{block.Crc:X8}, its content gives 0x{crc:X8}. Restore the "
                    + $"superblock from a copy of the image."));
        }

        flags = block.Flags;
        if ((block.Flags & MediaConstants.SuperblockBigEndianFlag) != 0)
        {
            report.Damage(Structure, Offset, string.Create(
                CultureInfo.InvariantCulture, $"The flags are 0x{block.Flags:X}: written by a big-endian machine. Only "
                    + $"little-endian images (bit 0 clear) can be used; drain it where it was made."));
            return null;
        }

        return ReadGeometry(region, report, block, isLinux);
    }

    private static Geometry? ReadGeometry(PmemRegion region, FindingReporter report, in Superblock block, bool isLinux)
    {
        const long Offset = MediaConstants.SuperblockOffset;
        int segmentSize = MediaConstants.LinuxSegmentSize;
        if (!isLinux)
        {
            if (block.SegmentSize is < MediaConstants.MinSegmentSize or > MediaConstants.LinuxSegmentSize
                || (block.SegmentSize & (block.SegmentSize - 1)) != 0)
            {
                report.Damage(Structure, Offset, string.Create(
                    CultureInfo.InvariantCulture, $"The segment size is {block.SegmentSize}, allowed are powers of two "
                        + $"from {MediaConstants.MinSegmentSize} to {MediaConstants.LinuxSegmentSize}."));
                return null;
            }

            segmentSize = (int)block.SegmentSize;
        }

        int fits = Geometry.SegmentsThatFit(region.LengthBytes, segmentSize);
        int least = isLinux ? 1 : MediaConstants.MinCompactSegments;
        int count = (int)Math.Min(block.SegmentCount, (uint)fits);
        if (block.SegmentCount < least || block.SegmentCount > fits)
        {
            report.Damage(Structure, Offset, fits < least
                ? string.Create(CultureInfo.InvariantCulture, $"The device has {region.LengthBytes} bytes and holds "
                    + $"{fits} segments of {segmentSize} bytes, at least {least} are needed (the superblock says "
                    + $"{block.SegmentCount}). It has been cut; use the whole device.")
                : string.Create(CultureInfo.InvariantCulture, $"The number of segments is {block.SegmentCount}, "
                    + $"allowed are {least} to {fits}, which is what the device of {region.LengthBytes} bytes holds. "
                    + $"If it has been cut, use the whole device."), block.SegmentCount > fits ? "cut" : null);
        }

        return count < 1 ? null : new Geometry(segmentSize, count, isLinux);
    }

    private static string NotFormattedText(PmemRegion region)
    {
        ReplicaOutcome outcome = region.LengthBytes < MediaConstants.ControlOffset
            ? ReplicaOutcome.Blank
            : Replicas.Read(
                region, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, out CacheInfo _, out _, out _);
        return outcome is ReplicaOutcome.Both or ReplicaOutcome.One
            ? "The superblock's magic is 0: formatting was not finished, or the superblock of a cache was destroyed, "
                + "as there is a cache info behind it. Nothing was changed; format it only if nothing on it is needed."
            : "The superblock's magic is 0: there is no cache on this device. Format it first (opening never does).";
    }
}
