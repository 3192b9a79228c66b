using System.Globalization;
using System.Runtime.InteropServices;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>
/// Verifies everything on an image. Keeps true: nothing is changed, no content of the medium throws, work and memory are bounded by the device; a dead key's
/// payload is looked at only to tell whether Linux would take the image, never to call it damaged.
/// </summary>
internal sealed class ImageChecker : IReplaySink
{
    private readonly FindingList _findings;
    private readonly MediaState _media;
    private readonly PayloadVerifier _payload;
    private readonly bool _linux;

    private LogPosition _kset;
    private IProgress<InspectionProgress>? _progress;
    private long _doneBytes;
    private long _totalBytes;
    private bool _linuxTakesIt = true;
    private bool _budgetReported;
    private long _deadBehindDirtyTail;
    private long _deadRefusedByLinux;
    private LogPosition _firstDeadRefused;

    private ImageChecker(PmemRegion region, MediaState media, FindingList findings, bool linux)
    {
        _findings = findings;
        _media = media;
        _payload = new PayloadVerifier(region, media);
        _linux = linux;
    }

    public static CheckReport Run(PmemRegion region, CheckOptions options)
    {
        FindingList findings = new(options.MaxFindings);
        bool isCache = true;
        bool linux = false;
        try
        {
            MediaState? media = MediaLoader.Load(region, findings);
            if (media is not null)
            {
                linux = new ImageChecker(region, media, findings, options.CheckLinux).CheckAll(region, options);
            }
        }
        catch (PCacheNotFormattedException e)
        {
            isCache = false;
            findings.Damage("not-a-cache", "superblock", MediaConstants.SuperblockOffset, e.Message);
        }

        return new CheckReport
        {
            IsCache = isCache,
            IsSound = findings.IsSound,
            IsAcceptedByLinux = options.CheckLinux ? linux && !findings.HasDamageForLinux : null,
            Findings = findings.ToList(),
        };
    }

    void IReplaySink.OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail) => _kset = position;

    void IReplaySink.OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
    {
        _doneBytes += key.Length;
        _progress?.Report(new InspectionProgress(Math.Min(_doneBytes, _totalBytes), _totalBytes));
        if (state == KeyState.Dead)
        {
            _deadBehindDirtyTail += atOrAfterDirtyTail ? 0 : 1;
            if (_linux && (!_media.Flags.PayloadCrc || _payload.Verify(in key) != PayloadVerifier.Outcome.Fits) && RefusedByLinux(in key))
            {
                _firstDeadRefused = _deadRefusedByLinux++ == 0 ? _kset : _firstDeadRefused;
            }
        }
        else if (_media.Flags.PayloadCrc && _media.IsGenerationKnown((int)key.Segment))
        {
            ReportPayload(in key, atOrAfterDirtyTail && !key.IsClean, _payload.Verify(in key));
        }
    }

    private bool CheckAll(PmemRegion region, CheckOptions options)
    {
        _progress = options.Progress;
        _totalBytes = region.LengthBytes;
        CheckBinding(options.BackingLengthBytes);
        ReplayResult replay = LogReplay.Run(region, _media, this, options.BackingLengthBytes, _findings);
        if (_deadBehindDirtyTail > 0)
        {
            _findings.Note("key-dead", "key", -1, Text($"{_deadBehindDirtyTail} keys behind the dirty tail are dead: their data is on the backing, and their segments hold other data now. Nothing to do; they are passed over."));
        }

        if (_linux)
        {
            CheckLinux(region, replay);
        }

        return _linuxTakesIt;
    }

    private void CheckBinding(long? backingLength)
    {
        if (_media.Extension is not ExtensionBlock extension || extension.BackingLength == 0 || backingLength is not long length)
        {
            return;
        }

        long bound = (long)extension.BackingLength;
        if (length < bound)
        {
            _findings.Damage("binding", ExtensionBlocks.StructureName, MediaConstants.ExtensionOffset, Text($"The backing has {length} bytes, but the cache is bound to one of {bound}. It is the wrong backing or has been cut; attach the right one, or bind the cache anew."));
        }
        else if (length > bound && (extension.Flags & ExtensionBlocks.ResizableBackingFlag) == 0)
        {
            _findings.Note("binding", ExtensionBlocks.StructureName, MediaConstants.ExtensionOffset, Text($"The backing has {length} bytes, the cache was bound to one of {bound}. If the backing hasn't grown, it is the wrong one."));
        }
    }

    private void ReportPayload(in CacheKey key, bool dirty, PayloadVerifier.Outcome outcome)
    {
        if (outcome == PayloadVerifier.Outcome.Fits)
        {
            return;
        }

        long place = _media.Geometry.DataOffset(_media.Chain[key.Segment]) + key.SegmentOffset;
        if (outcome == PayloadVerifier.Outcome.BudgetSpent)
        {
            if (!_budgetReported)
            {
                _budgetReported = true;
                _findings.Damage("payload-overlap", "payload", place, "The keys name far more payload than the device holds, so they overlap as in no sound cache; the rest of it isn't verified. Restore the image from a copy.");
            }

            return;
        }

        if (!_findings.KeepsMore)
        {
            _findings.Damage("payload-crc", "payload", place, string.Empty);
            return;
        }

        string what = outcome == PayloadVerifier.Outcome.Unreadable ? "can't be read" : "doesn't fit its checksum";
        string advice = dirty
            ? "It is dirty, so the backing doesn't have it: overwrite the range or give it up; everything else can be used."
            : "The backing has the data, so nothing is lost: write back and format anew.";
        _findings.Damage("payload-crc", "payload", place, Text($"The payload of bytes {key.Offset}..{key.End - 1} (kset at {_kset}) {what}. {advice}"));
    }

    /// <summary>Linux checks a dead key like a live one: its payload has to lie in a data area, and to fit its checksum where those are on.</summary>
    private bool RefusedByLinux(in CacheKey key) =>
        _media.Flags.PayloadCrc || (ulong)key.SegmentOffset + key.Length > (ulong)_media.Geometry.DataSize;

    private void CheckLinux(PmemRegion region, ReplayResult replay)
    {
        if (!_media.Geometry.IsLinux)
        {
            Refuse("linux-geometry", "superblock", MediaConstants.SuperblockOffset, "the image has the compact geometry, whose magic Linux doesn't know. Make a cache with the Linux geometry instead.");
        }

        if (region.LengthBytes < MediaConstants.LinuxMinDeviceSize)
        {
            Refuse("linux-size", "device", 0, Text($"the device has {region.LengthBytes} bytes, and Linux takes none below {MediaConstants.LinuxMinDeviceSize}. Copy the image to a larger device."));
        }

        if (_deadRefusedByLinux > 0)
        {
            Refuse("linux-dead-keys", "key", _media.DeviceOffset(_firstDeadRefused), Text($"it checks the payload of dead keys too, and {_deadRefusedByLinux} dead keys (first in the kset at {_firstDeadRefused}) fail that. Open the image here and write it back first."));
        }

        if (replay.End == LogEnd.Torn && LinuxRefusesTornEnd(region, replay.KeyHead))
        {
            Refuse("linux-log-end", "kset", _media.DeviceOffset(replay.KeyHead), Text($"the log ends at {replay.KeyHead} before a kset whose checksum fits but whose key count or size is impossible, which Linux calls an error. Open and close the image for writing here first."));
        }

        if (replay.End == LogEnd.Leftover)
        {
            Refuse("linux-log-end", "kset", _media.DeviceOffset(replay.KeyHead), "it ignores kset numbers and would replay the left-over ksets behind the log's end, which are older. Open and close the image for writing here first.");
        }
    }

    /// <summary>We look at count and bounds before the checksum, so such a kset just ends the log; Linux looks at the checksum first and then refuses.</summary>
    private bool LinuxRefusesTornEnd(PmemRegion region, LogPosition end)
    {
        long offset = _media.DeviceOffset(end);
        Span<byte> head = stackalloc byte[MediaConstants.KsetHeaderSize];
        try
        {
            region.ReadMetadata(offset, head);
            KsetHeader header = MemoryMarshal.Read<KsetHeader>(head);
            long size = MediaConstants.KsetHeaderSize + ((long)header.KeyCount * MediaConstants.KeySize);
            if (header.Magic != MediaConstants.KsetMagic || header.IsLast || size > _media.Geometry.SegmentSize || size > region.LengthBytes - offset)
            {
                return false;
            }

            byte[] whole = new byte[size];
            region.ReadMetadata(offset, whole);
            return header.Crc == Crc32C.HashToUInt32(whole.AsSpan(sizeof(uint)));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private void Refuse(string code, string structure, long offset, string reason)
    {
        _linuxTakesIt = false;
        _findings.Note(code, structure, offset, "Linux doesn't take this image: " + reason);
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
