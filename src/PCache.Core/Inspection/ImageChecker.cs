using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>
/// Verifies everything on an image. Keeps true: nothing is changed, no content of the medium throws, work and memory
/// are bounded by the device; a dead key's payload is looked at only to tell whether Linux would take the image,
/// never to call it damaged.
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
        MediaState? media = null;
        ImageChecker? checker = null;
        ReplayResult? replay = null;
        try
        {
            media = MediaLoader.Load(region, findings);
            if (media is not null)
            {
                checker = new ImageChecker(region, media, findings, options.CheckLinux);
                replay = checker.CheckAll(region, options);
            }
        }
        catch (PCacheNotFormattedException e)
        {
            isCache = false;
            findings.Add(
                new Finding(FindingSeverity.Damage, "superblock", MediaConstants.SuperblockOffset,
                    e.Message)
                { Code = "not-a-cache", Linux = LinuxCase.FormatsOver });
        }

        bool sound = findings.IsSound;
        LinuxVerdict? linux = options.CheckLinux
            ? new LinuxChecker(region, findings).Judge(
                media, replay, checker?._deadRefusedByLinux ?? 0, checker?._firstDeadRefused ?? default,
                options.BackingLengthBytes)
            : null;
        return new CheckReport
        {
            IsCache = isCache,
            IsSound = sound,
            IsAcceptedByLinux = linux is null ? null : linux == LinuxVerdict.Takes,
            Linux = linux,
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
            if (_linux && (!_media.Flags.PayloadCrc || _payload.Verify(in key) != PayloadVerifier.Outcome.Fits)
                && RefusedByLinux(in key))
            {
                _firstDeadRefused = _deadRefusedByLinux++ == 0 ? _kset : _firstDeadRefused;
            }
        }
        else if (_media.Flags.PayloadCrc && _media.IsGenerationKnown((int)key.Segment))
        {
            ReportPayload(in key, atOrAfterDirtyTail && !key.IsClean, _payload.Verify(in key));
        }
    }

    private ReplayResult CheckAll(PmemRegion region, CheckOptions options)
    {
        _progress = options.Progress;
        _totalBytes = region.LengthBytes;
        CheckBinding(options.BackingLengthBytes);
        ReplayResult replay = LogReplay.Run(region, _media, this, options.BackingLengthBytes, _findings);
        if (_deadBehindDirtyTail > 0)
        {
            _findings.Note("key-dead", "key", -1,
                Text($"{_deadBehindDirtyTail} keys behind the dirty tail are dead: their data is on the backing, and "
                    + $"their segments hold other data now. Nothing to do; they are passed over."));
        }

        return replay;
    }

    private void CheckBinding(long? backingLength)
    {
        if (_media.Extension is not ExtensionBlock extension || extension.BackingLength == 0
            || backingLength is not long length)
        {
            return;
        }

        long bound = (long)extension.BackingLength;
        if (length < bound)
        {
            _findings.Damage("binding", ExtensionBlocks.StructureName, MediaConstants.ExtensionOffset,
                Text($"The backing has {length} bytes, but the cache is bound to one of {bound}. It is the wrong "
                    + $"backing or has been cut; attach the right one, or bind the cache anew."));
        }
        else if (length > bound && (extension.Flags & ExtensionBlocks.ResizableBackingFlag) == 0)
        {
            _findings.Note("binding", ExtensionBlocks.StructureName, MediaConstants.ExtensionOffset,
                Text($"The backing has {length} bytes, the cache was bound to one of {bound}. If the backing hasn't "
                    + $"grown, it is the wrong one."));
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
                _findings.Damage("payload-overlap", "payload", place,
                    "The keys name far more payload than the device holds, so they overlap as in no sound cache; the "
                    + "rest of it isn't verified. Restore the image from a copy.");
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
            ? "It is dirty, so the backing doesn't have it: overwrite the range or give it up; everything else can be "
                + "used."
            : "The backing has the data, so nothing is lost: write back and format anew.";
        _findings.Damage("payload-crc", "payload", place,
            Text($"The payload of bytes {key.Offset}..{key.End - 1} (kset at {_kset}) {what}. {advice}"));
    }

    /// <summary>
    /// Linux checks a dead key like a live one: its payload has to lie in a data area, and to fit its checksum where
    /// those are on.
    /// </summary>
    private bool RefusedByLinux(in CacheKey key) =>
        _media.Flags.PayloadCrc || (ulong)key.SegmentOffset + key.Length > (ulong)_media.Geometry.DataSize;

    private static string Text(InvariantText text) => text.Take();
}
