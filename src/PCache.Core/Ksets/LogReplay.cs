using System.Runtime.CompilerServices;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>Receives what a replay finds, in log order. Keys are validated.</summary>
internal interface IReplaySink
{
    /// <summary>A kset, last ones (links) included, before its keys.</summary>
    void OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail);

    /// <summary>A key of the last reported kset.</summary>
    void OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail);
}

/// <summary>What a replay found.</summary>
internal sealed record ReplayResult
{
    /// <summary>Where the log ends.</summary>
    public required LogPosition KeyHead { get; init; }

    public required LogEnd End { get; init; }

    /// <summary>The last number seen; 0: none.</summary>
    public required uint LastSequence { get; init; }

    /// <summary>Ksets, last ones included.</summary>
    public required long Ksets { get; init; }

    public required long LiveKeys { get; init; }

    public required long DeadKeys { get; init; }

    /// <summary>Dead keys at or after the dirty tail that aren't clean: writes already lost.</summary>
    public required long LostKeys { get; init; }

    /// <summary>Live keys at or after the dirty tail that aren't clean.</summary>
    public required long DirtyKeys { get; init; }

    /// <summary>
    /// How long the device is by the ksets at or after the dirty tail, in bytes; 0: they don't say.
    /// </summary>
    public required long LengthInLog { get; init; }

    /// <summary>Cache segments of the log from the key tail on, in its order.</summary>
    public required IReadOnlyList<int> LogSegments { get; init; }

    public required SegmentUse Use { get; init; }

    /// <summary>
    /// Whether the older replica of the dirty tail was met on the way; if not, it is behind the key tail (Linux frees
    /// up to the latest one).
    /// </summary>
    public required bool DirtyTailOlderMet { get; init; }
}

/// <summary>
/// Walks the log from the key tail to its end. Keeps true: every kset and key that the sink sees is validated; no
/// segment is visited twice, so the walk is bounded by the device; the log never just ends where it is damaged;
/// nothing is written. Without findings the first violation throws; with them it is recorded and the walk goes on
/// where that is sound.
/// </summary>
internal sealed class LogReplay
{
    private readonly PmemRegion _region;
    private readonly MediaState _media;
    private readonly IReplaySink _sink;
    private readonly FindingReporter _report;
    private readonly KeyValidator _validator;
    private readonly SegmentUse _use;
    private readonly List<int> _logSegments = [];

    private long _ksets;
    private long _liveKeys;
    private long _deadKeys;
    private long _lostKeys;
    private long _dirtyKeys;
    private long _lengthInLog;
    private bool _dirty;
    private bool _batchGoesOn; // the last kset says that the next one was durable before it
    private bool _unfinishedBatch;

    private LogReplay(
        PmemRegion region, MediaState media, IReplaySink sink, long? backingLength, IFindingSink? findings)
    {
        _region = region;
        _media = media;
        _sink = sink;
        _report = new FindingReporter(findings);
        _validator = new KeyValidator(media.Geometry, media.ChainLength, backingLength);
        _use = new SegmentUse(media.ChainLength);
    }

    /// <summary>Replays the log.</summary>
    /// <param name="region">The cache device.</param>
    /// <param name="media">Its loaded state.</param>
    /// <param name="sink">Receives ksets and keys.</param>
    /// <param name="backingLength">Length of the backing in bytes; null: not known.</param>
    /// <param name="findings">Where violations go; null: they are thrown.</param>
    /// <exception cref="PCacheCorruptionException">The log holds something that a sound one never holds.</exception>
    /// <exception cref="PCacheBackingMismatchException">A key lies beyond the backing's end.</exception>
    /// <exception cref="IOException">The medium failed.</exception>
    public static ReplayResult Run(
        PmemRegion region, MediaState media, IReplaySink sink, long? backingLength, IFindingSink? findings = null) =>
        new LogReplay(region, media, sink, backingLength, findings).Walk();

    // a process replays once, mostly at its start: there is no time to warm up
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private ReplayResult Walk()
    {
        KsetReader reader = new(_region, _media.Geometry, _media.Chain, readAhead: true);
        SequenceTracker sequence = default;
        LogPosition position = _media.KeyTail;
        bool olderMet = false;
        Enter(position.Segment);
        KsetOutcome outcome;
        bool broken = false;
        while (true)
        {
            _dirty |= position == _media.DirtyTail;
            olderMet |= position == _media.DirtyTailOlder;
            outcome = ReadKset(reader, position, ref sequence, ref broken);
            if (outcome != KsetOutcome.Valid)
            {
                break;
            }

            _ksets++;
            _batchGoesOn = reader.Header.BatchGoesOn;
            _sink.OnKset(position, in reader.Header, _dirty);
            if (reader.Header.IsLast && !Follow(reader))
            {
                broken = true;
                break;
            }

            TakeLength(reader.DeviceLength);
            TakeKeys(reader);
            position = reader.Next;
        }

        if (!broken)
        {
            CheckEnd(position, outcome, sequence);
        }

        if (!_dirty)
        {
            _report.Damage(
                "dirty tail", DirtyTailPlace, Text($"It is {_media.DirtyTail}, which is no kset boundary of the log "
                    + $"from key tail {_media.KeyTail} to key head {position}. Without it what is dirty isn't known; "
                    + $"restore the image from a copy."), null, LinuxCase.NeverDrains);
        }

        return new ReplayResult
        {
            KeyHead = position,
            End = outcome switch
            {
                KsetOutcome.Zeros when !_unfinishedBatch => LogEnd.Clean,
                KsetOutcome.Leftover => LogEnd.Leftover,
                _ => LogEnd.Torn,
            },
            LastSequence = sequence.Last,
            Ksets = _ksets,
            LiveKeys = _liveKeys,
            DeadKeys = _deadKeys,
            LostKeys = _lostKeys,
            DirtyKeys = _dirtyKeys,
            LengthInLog = _lengthInLog,
            LogSegments = _logSegments,
            Use = _use,
            DirtyTailOlderMet = olderMet,
        };
    }

    private long DirtyTailPlace =>
        MediaConstants.DirtyTailOffset + (_media.DirtyTailReplicas.Latest * (long)MediaConstants.PositionStride);

    private KsetOutcome ReadKset(KsetReader reader, LogPosition position, ref SequenceTracker sequence, ref bool broken)
    {
        try
        {
            return reader.Read(position, ref sequence);
        }
        catch (PCacheCorruptionException e) when (!_report.IsStrict)
        {
            _report.Damage(e.Structure ?? "kset", e.DeviceOffset,
                Bare(e) + " The log can't be followed further; restore the image from a copy.");
        }
        catch (IOException e) when (!_report.IsStrict)
        {
            _report.Damage("kset", reader.DeviceOffset, $"It can't be read: {e.Message} The log can't be followed "
                + $"further; restore the image from a copy.", "kset-unreadable");
        }

        broken = true;
        return KsetOutcome.Torn;
    }

    private void Enter(int segment)
    {
        _use.MarkLog(segment);
        _logSegments.Add(segment);
    }

    /// <summary>
    /// Follows a last kset's link into a segment that the log hasn't visited and that holds no live payload.
    /// </summary>
    private bool Follow(KsetReader reader)
    {
        int next = reader.Next.Segment;
        if (_use.IsLog(next))
        {
            _report.Damage(
                "kset", reader.DeviceOffset, Text(
                    $"The last kset at {reader.Position} links to cache segment {next}, where the log has been "
                    + $"already: a cycle. Each segment is allowed once; restore the image from a copy."), "kset-link");
            return false;
        }

        if (_use.References[next] > 0)
        {
            _report.Damage(
                "kset", reader.DeviceOffset, Text($"The last kset at {reader.Position} links to cache segment {next}, "
                    + $"which holds the payload of {_use.References[next]} live keys; a segment holds log or payload. "
                    + $"Restore the image from a copy."), "kset-link");
            return false;
        }

        Enter(next);
        return true;
    }

    /// <summary>
    /// What lies behind the dirty tail the backing has already; its keys may be as far away all the same.
    /// </summary>
    private void TakeLength(long length)
    {
        if (length >= 0)
        {
            _validator.Lengthen(length);
            _lengthInLog = _dirty ? Math.Max(_lengthInLog, length) : _lengthInLog;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void TakeKeys(KsetReader reader)
    {
        ReadOnlySpan<CacheKey> keys = reader.Keys;
        for (int i = 0; i < keys.Length; i++)
        {
            ref readonly CacheKey key = ref keys[i];
            KeyState state;
            if (_report.IsStrict)
            {
                state = _validator.Check(in key, reader.KeyDeviceOffset(i), _media.Generations);
            }
            else if (!TryCheck(in key, reader.KeyDeviceOffset(i), out state))
            {
                continue;
            }

            if (state == KeyState.Live)
            {
                if (_use.IsLog((int)key.Segment))
                {
                    _report.Damage(
                        "key", reader.KeyDeviceOffset(i), !_report.NeedsText ? string.Empty : Text($"The payload of "
                            + $"bytes {key.Offset}..{key.End - 1} is in cache segment {key.Segment}, which is a log "
                            + $"segment; a segment holds log or payload. Restore the image from a "
                            + $"copy."), "payload-in-log");
                    continue;
                }

                _use.AddReference((int)key.Segment);
                _liveKeys++;
                _dirtyKeys += _dirty && !key.IsClean ? 1 : 0;
            }
            else
            {
                _deadKeys++;

                if (_dirty && !key.IsClean)
                {
                    _lostKeys++;
                    _report.Lost(
                        "key", reader.KeyDeviceOffset(i), !_report.NeedsText ? string.Empty : Text($"The write of "
                            + $"bytes {key.Offset}..{key.End - 1} was not written back when its segment was reused: it "
                            + $"is lost. The program that wrote the image lost it; a writable open needs consent."));
                }
            }

            _sink.OnKey(in key, state, _dirty);
        }
    }

    private bool TryCheck(in CacheKey key, long deviceOffset, out KeyState state)
    {
        // A segment whose generation can't be read has been reported; its keys count as live.
        CacheKey judged = key;
        if (key.Segment < (uint)_media.ChainLength && !_media.IsGenerationKnown((int)key.Segment))
        {
            judged.Generation = 0;
        }

        KeyFault fault = _validator.Find(in judged, _media.Generations, out state);
        if (fault == KeyFault.None)
        {
            return true;
        }

        if (!_report.NeedsText)
        {
            _report.Damage("key", deviceOffset, string.Empty, fault == KeyFault.BeyondBacking ? "key-beyond" : null);
            return false;
        }

        PCacheException e = _validator.Describe(fault, in judged, deviceOffset, _media.Generations);
        _report.Damage("key", deviceOffset, e is PCacheCorruptionException corrupt ? Bare(corrupt) + " The key is "
            + "passed over; restore the image from a copy." : e.Message,
            fault == KeyFault.BeyondBacking ? "key-beyond" : null);
        return false;
    }

    private void CheckEnd(LogPosition end, KsetOutcome outcome, SequenceTracker sequence)
    {
        var probe = new LogEndProbe(_region, _media, _validator);
        LogPosition? found = probe.Find(end, outcome, sequence, _ksets, _use, out string text);
        if (found is null && _batchGoesOn)
        {
            _report.Damage("kset", _media.DeviceOffset(end), Text($"The log seems to end at {end} in the middle of a "
                + $"batch: the kset before says that number {sequence.Expected} follows, which was durable before it. "
                + $"It is destroyed, and acknowledged writes with it. Keep the image; restore it from a "
                + $"copy."), "log-end", LinuxCase.EndsEarly);
        }
        else if (found is not null)
        {
            _report.Damage("kset", _media.DeviceOffset(end), text, "log-end", LinuxCase.EndsEarly);
        }
        else if (probe.MetUnfinishedBatch)
        {
            _unfinishedBatch = true;
            _report.Note("kset", _media.DeviceOffset(end), Text($"The log ends at {end} before a batch of ksets whose "
                + $"first was not stored, as an interrupted, unacknowledged append leaves it. Nothing to do: a "
                + $"writable open removes it."), "log-unfinished");
        }
        else if (outcome != KsetOutcome.Zeros)
        {
            _report.Note("kset", _media.DeviceOffset(end), outcome == KsetOutcome.Leftover
                ? Text($"The log ends at {end} before a kset of an earlier use of the segment. Nothing to do: a "
                    + $"writable open removes it.")
                : Text($"The log ends at {end} with a kset that was not completely written, as an interrupted, "
                    + $"unacknowledged append leaves it. Nothing to do: a writable open removes it."),
                outcome == KsetOutcome.Leftover ? "log-leftover" : "log-torn");
        }
    }

    /// <summary>
    /// The message without "structure at device offset ...: ", which a finding carries in fields of their own.
    /// </summary>
    private static string Bare(PCacheCorruptionException e)
    {
        string prefix = Text($"{e.Structure} at device offset {e.DeviceOffset}: ");
        return e.Message.StartsWith(prefix, StringComparison.Ordinal) ? e.Message[prefix.Length..] : e.Message;
    }

    private static string Text(InvariantText text) => text.Take();
}
