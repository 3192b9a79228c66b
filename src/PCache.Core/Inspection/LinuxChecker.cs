using System.Runtime.InteropServices;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>
/// Says what Linux (7.3.4) would do with an image. Keeps true: the verdict is the worst of all that is found,
/// measured on that kernel where it says so in the format page; damage of which nothing else is known counts as
/// refused; each verdict but "takes" has a finding that says why. Changes nothing; no content of the medium throws.
/// </summary>
internal sealed class LinuxChecker(PmemRegion region, FindingList findings)
{
    private LinuxVerdict _verdict;

    /// <summary>The verdict.</summary>
    /// <param name="media">The loaded image; null: too little is there to load one.</param>
    /// <param name="replay">Its log; null together with <paramref name="media"/>.</param>
    /// <param name="deadKeys">Dead keys that fail a check which Linux makes of them too.</param>
    /// <param name="firstDeadKey">The kset of the first of those.</param>
    /// <param name="backingLength">Length of the backing in bytes; null: not known.</param>
    public LinuxVerdict Judge(
        MediaState? media, ReplayResult? replay, long deadKeys, LogPosition firstDeadKey, long? backingLength)
    {
        if (findings.HasDamageForLinux)
        {
            _verdict = LinuxVerdict.Refuses; // what the findings say already
        }

        CheckDevice();
        CheckStructures(media, replay);
        if (media is not null && replay is not null)
        {
            if (deadKeys > 0)
            {
                Refuse(
                    "linux-dead-keys", "key", media.DeviceOffset(firstDeadKey), Text($"it checks the payload of dead "
                        + $"keys too, and {deadKeys} dead keys (first in the kset at {firstDeadKey}) fail that."));
            }

            CheckLength(media, replay, backingLength);
            CheckLogEnd(media, replay);
        }

        return _verdict;
    }

    private void CheckDevice()
    {
        Superblock superblock = default;
        if (TryRead(MediaConstants.SuperblockOffset, MemoryMarshal.AsBytes(new Span<Superblock>(ref superblock)))
            && superblock.Magic == MediaConstants.SuperblockMagicCompact)
        {
            Refuse("linux-geometry", "superblock", MediaConstants.SuperblockOffset, "the image has the compact "
                + "geometry, whose magic Linux doesn't know. Make a cache with the Linux geometry instead.");
        }

        if (region.LengthBytes < MediaConstants.LinuxMinDeviceSize)
        {
            Refuse(
                "linux-size", "device", 0, Text($"the device has {region.LengthBytes} bytes, and Linux takes none "
                    + $"below {MediaConstants.LinuxMinDeviceSize}. Copy the image to a larger device."));
        }
    }

    /// <summary>A length that is in the log only is none to Linux.</summary>
    private void CheckLength(MediaState media, ReplayResult replay, long? backingLength)
    {
        long has = backingLength ?? (long)(media.Extension?.BackingLength ?? 0);
        if (replay.LengthInLog > has)
        {
            Refuse("linux-length", "kset", media.DeviceOffset(media.DirtyTail), Text($"by the log the device has grown "
                + $"to {replay.LengthInLog} bytes, and the backing hasn't yet ({has}): keys lie beyond its end. Drain "
                + $"the cache first."));
        }
    }

    /// <summary>What was found while the image was read, and is another thing to Linux than to us.</summary>
    private void CheckStructures(MediaState? media, ReplayResult? replay)
    {
        if (findings.First(LinuxCase.FormatsOver) is Finding gone && _verdict < LinuxVerdict.FormatsOver)
        {
            Add(LinuxVerdict.FormatsOver, "linux-format", gone.Structure, gone.Offset,
                "Linux would format it over: it takes this image for a device that was never formatted, without a "
                + "word, and everything dirty is gone.");
        }

        if (findings.First(LinuxCase.Unlinked) is Finding unlinked)
        {
            Refuse("linux-segment-info", unlinked.Structure, unlinked.Offset, "it doesn't follow the chain past a "
                + "segment whose linking replica of the info (replica 0) is destroyed.");
        }

        if (findings.First(LinuxCase.NeverDrains) is Finding tail)
        {
            Add(LinuxVerdict.TakesWrongly, "linux-dirty-tail", tail.Structure, tail.Offset,
                "Linux takes this image, but wrongly: it doesn't look whether the dirty tail is met in the log, and "
                + "never writes anything back.");
        }

        if (findings.First(LinuxCase.EndsEarly) is Finding end)
        {
            Add(LinuxVerdict.TakesWrongly, "linux-log-hole", end.Structure, end.Offset,
                "Linux takes this image, but wrongly: it takes the log to end before the destroyed kset, without a "
                + "word, and what stands behind is lost.");
        }

        if (media is not null && replay is not null)
        {
            CheckGenerations(media, replay);
        }
    }

    /// <summary>
    /// Linux takes a generation of which no replica is valid. That does no harm where no key names the segment.
    /// </summary>
    private void CheckGenerations(MediaState media, ReplayResult replay)
    {
        for (int segment = 0; segment < media.ChainLength; segment++)
        {
            long offset = media.Geometry.SegmentOffset(media.Chain[segment]) + MediaConstants.SegmentControlOffset;
            if (!media.IsGenerationKnown(segment) && replay.Use.References[segment] > 0)
            {
                Add(LinuxVerdict.TakesWrongly, "linux-generation", "generation", offset,
                    Text($"Linux takes this image, but wrongly: the generation of cache segment {segment}, which holds "
                        + $"payload, is lost, and Linux goes on without it, so that it can't tell that segment's live "
                        + $"keys from dead ones."));
                return;
            }
        }
    }

    private void CheckLogEnd(MediaState media, ReplayResult replay)
    {
        if (replay.End == LogEnd.Torn && LinuxRefusesTornEnd(media, replay.KeyHead))
        {
            Refuse("linux-log-end", "kset", media.DeviceOffset(replay.KeyHead),
                Text($"the log ends at {replay.KeyHead} before a kset whose checksum fits but whose key count or size "
                    + $"is impossible, which Linux calls an error."));
        }

        if (replay.End == LogEnd.Leftover)
        {
            Add(LinuxVerdict.TakesWrongly, "linux-log-end", "kset", media.DeviceOffset(replay.KeyHead),
                "Linux takes this image, but wrongly: it ignores kset numbers and replays the left-over ksets behind "
                + "the log's end, which are older, and writes them back.");
        }
    }

    /// <summary>
    /// We look at count and bounds before the checksum, so such a kset just ends the log; Linux looks at the checksum
    /// first and then refuses.
    /// </summary>
    private bool LinuxRefusesTornEnd(MediaState media, LogPosition end)
    {
        long offset = media.DeviceOffset(end);
        Span<byte> head = stackalloc byte[MediaConstants.KsetHeaderSize];
        if (!TryRead(offset, head))
        {
            return false;
        }

        KsetHeader header = MemoryMarshal.Read<KsetHeader>(head);
        long size = MediaConstants.KsetHeaderSize + ((long)header.KeyCount * MediaConstants.KeySize);
        if (header.Magic != MediaConstants.KsetMagic || header.IsLast || size > media.Geometry.SegmentSize
            || size > region.LengthBytes - offset)
        {
            return false;
        }

        byte[] whole = new byte[size];
        return TryRead(offset, whole) && header.Crc == StructureChecksum.Of(whole.AsSpan(sizeof(uint)));
    }

    private bool TryRead(long offset, Span<byte> bytes)
    {
        if (offset + bytes.Length > region.LengthBytes)
        {
            return false;
        }

        try
        {
            region.ReadMetadata(offset, bytes);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void Refuse(string code, string structure, long offset, string reason) =>
        Add(LinuxVerdict.Refuses, code, structure, offset, "Linux doesn't take this image: " + reason);

    private void Add(LinuxVerdict verdict, string code, string structure, long offset, string text)
    {
        _verdict = verdict > _verdict ? verdict : _verdict;
        findings.Note(code, structure, offset, text);
    }

    private static string Text(InvariantText text) => text.Take();
}
