using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>Opens cache images for rescue, however damaged.</summary>
public static class CacheRescue
{
    /// <summary>
    /// Reads a cache image as far as it can be read: structures of which both replicas are bad are inferred from the
    /// others, the log is read on behind what is destroyed, each payload is verified. Changes nothing: a read-only
    /// region is enough. Time and memory are bounded by the region's length, whatever it holds.
    /// </summary>
    /// <param name="region">The cache device; must stay open and unchanged as long as the result is used.</param>
    /// <param name="options">How to go about it; null: defaults.</param>
    /// <exception cref="ArgumentNullException"><paramref name="region"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    /// <exception cref="PCacheNotFormattedException">Nothing on the region looks like a cache, or its formatting was
    /// never finished.</exception>
    public static RescueImage Open(PmemRegion region, RescueOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(region);
        options ??= new RescueOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxFindings, 1, nameof(options));
        if (options.SegmentSizeBytes is int size && (size < 0 || !RescueGeometry.IsSegmentSize((uint)size)))
        {
            throw new ArgumentOutOfRangeException(
                nameof(options), size, "A segment size is a power of two from 64 KiB to 16 MiB.");
        }

        return new RescueImage(region, options);
    }
}

/// <summary>
/// What can be had from a cache image, however damaged. Immutable; thread-safe as long as no writer changes the
/// region. The region must stay open.
/// </summary>
/// <remarks>
/// Keeps true: extents never overlap and are in ascending order; each is the newest version that the log has of its
/// range; a key whose segment has been given a later generation never comes out, nor does anything that it or a
/// damaged key hides; what is neither listed as damaged, unverifiable nor possibly stale is what the cache would have
/// returned; every read of the region is in bounds and survives media errors.
/// </remarks>
public sealed partial class RescueImage
{
    private readonly PmemRegion _region;
    private readonly RescueLayout _layout;
    private readonly RescueLog _log;
    private readonly List<RescuePiece> _pieces;
    private readonly byte[] _states;
    private readonly bool _dataCrc;
    private readonly List<RescueExtent> _extents = [];
    private readonly List<DeviceRange> _lost = [];
    private long _damagedBytes;

    private const byte StateUnknown = 0xFF;
    private const byte FitsFlag = 0x10;
    private const byte DiffersFlag = 0x20;
    private const byte StateMask = 0xF;

    internal RescueImage(PmemRegion region, RescueOptions options)
    {
        FindingList findings = new(options.MaxFindings);
        _region = region;
        _layout = RescueLayout.Load(region, findings, options.SegmentSizeBytes);
        Action<long, long>? progress = options.Progress is { } told ? (done, total) =>
            told.Report(new InspectionProgress(done, total)) : null;
        long segmentBytes = _layout.Geometry.SegmentSize;
        _log = new RescueLog(_layout, findings,
            progress is null ? null : (done, total) => progress(done * segmentBytes, total * segmentBytes));
        _log.Read();
        if (_layout.IsCacheInfoBlank && _log.Ksets.Count == 0 && _log.Holes.Count == 0)
        {
            throw new PCacheNotFormattedException("Both replicas of the cache info are zero, and there is no log: "
                + "formatting was not finished. Nothing was changed; format the device anew.");
        }

        _pieces = RescueMap.Build(_log.Keys, 0, _log.Keys.Count);
        _states = new byte[_log.Keys.Count];
        Array.Fill(_states, StateUnknown);
        _dataCrc = Judge(findings, progress);
        MakeExtents(findings);
        Findings = findings.ToList();
        IsSound = findings.IsSound;
    }

    /// <summary>Whether it has the Linux geometry; a guess where the superblock is destroyed.</summary>
    public bool IsLinuxGeometry => _layout.Geometry.IsLinux;

    /// <summary>Segment size in bytes; inferred where the superblock is destroyed.</summary>
    public int SegmentSizeBytes => _layout.Geometry.SegmentSize;

    /// <summary>Segments of the cache that lie on the device, at least in part.</summary>
    public int SegmentCount => _layout.Geometry.SegmentCount;

    /// <summary>Whether payload has checksums; judged by the payload where the cache info is destroyed.</summary>
    public bool PayloadCrc => _dataCrc;

    /// <summary>Where a replay would start; null: destroyed.</summary>
    public LogPosition? KeyTail => _layout.KeyTail;

    /// <summary>First kset not yet written back; null: destroyed, so that everything counts as dirty.</summary>
    public LogPosition? DirtyTail => _layout.DirtyTail;

    /// <summary>Where the log ends, as far as it can be followed.</summary>
    public LogPosition KeyHead => _log.End;

    /// <summary>Length in bytes of the backing that the cache is bound to; null: not bound, or not known.</summary>
    public long? BackingLength =>
        _layout.Extension is ExtensionBlock { BackingLength: > 0 } bound ? (long)bound.BackingLength : null;

    /// <summary>
    /// How long the device has become by the log, in bytes, where it has grown; null: the log doesn't tell. The backing
    /// may still be shorter, or longer.
    /// </summary>
    public long? DeviceLength => _log.DeviceLength;

    /// <summary>UUID of the cache; <see cref="Guid.Empty"/> if there is none.</summary>
    public Guid CacheId => _layout.Extension?.CacheId.ToGuid() ?? Guid.Empty;

    /// <summary>The extension block; null: there is none that can be read.</summary>
    internal ExtensionBlock? Extension => _layout.Extension;

    /// <summary>Replicas of the extension block.</summary>
    internal ReplicaState ExtensionReplicas => _layout.ExtensionReplicas;

    /// <summary>The extents of the device that the log names, clean ones too.</summary>
    public IReadOnlyList<RescueExtent> Extents => _extents;

    /// <summary>Parts of the log that are lost.</summary>
    public IReadOnlyList<RescueHole> Holes => _log.Holes;

    /// <summary>
    /// Ranges whose newest version the program that wrote the image had lost already: its segment was reused before
    /// it was written back.
    /// </summary>
    public IReadOnlyList<DeviceRange> Lost => _lost;

    /// <summary>Everything found on the way.</summary>
    public IReadOnlyList<Finding> Findings { get; }

    /// <summary>Whether neither damage nor lost writes were found.</summary>
    public bool IsSound { get; }

    /// <summary>The ksets that were found, in log order, without their keys.</summary>
    public IEnumerable<KsetInfo> EnumerateKsets(bool withKeys)
    {
        for (int i = 0; i < _log.Ksets.Count; i++)
        {
            RescuedKset kset = _log.Ksets[i];
            KeyInfo[] keys = [];
            if (withKeys)
            {
                keys = new KeyInfo[kset.KeyCount];
                for (int k = 0; k < keys.Length; k++)
                {
                    RescuedKey rescued = _log.Keys[kset.FirstKey + k];
                    CacheKey key = rescued.Key;
                    keys[k] = new KeyInfo(
                        key.Offset, key.Length, key.IsClean, rescued.Verdict != KeyVerdict.Dead, key.Segment,
                        key.SegmentOffset, key.Generation, key.PayloadCrc);
                }
            }

            bool last = kset.Header.IsLast;
            yield return new KsetInfo(
                kset.Position, kset.Header.Sequence, kset.Header.IsBarrier, last, last ? 0 : (int)kset.Header.KeyCount,
                last ? (int)Math.Min(kset.Header.KeyCount, int.MaxValue) : null, kset.IsDirty, keys)
            {
                ContinuesBatch = kset.Header.ContinuesBatch,
            };
        }
    }

    /// <summary>Reads bytes of an extent's payload, whatever its state.</summary>
    /// <param name="extent">One of <see cref="Extents"/>.</param>
    /// <param name="at">First byte, from the extent's begin.</param>
    /// <param name="destination">Receives the bytes; not longer than the rest of the extent.</param>
    /// <returns>False: the medium failed, or the payload isn't on the device. The destination is undefined
    /// then.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the extent.</exception>
    public bool TryReadPayload(in RescueExtent extent, long at, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(at);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(at, extent.LengthBytes - destination.Length);
        if (extent.CacheOffset < 0 || extent.CacheOffset + at > _region.LengthBytes - destination.Length)
        {
            return false;
        }

        try
        {
            _region.ReadMetadata(extent.CacheOffset + at, destination);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>
    /// Index of the first extent that ends behind a byte of the device; the number of extents if there is none.
    /// </summary>
    /// <param name="offset">The byte.</param>
    public int FindExtent(long offset)
    {
        int low = 0;
        int high = _extents.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_extents[middle].End <= offset)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <summary>
    /// Verifies the payload of the keys that can be seen, and judges whether there are checksums where that isn't
    /// known.
    /// </summary>
    private bool Judge(FindingList findings, Action<long, long>? progress)
    {
        PayloadVerifier verifier = new(_layout);
        bool anyFits = false;
        bool spent = false;
        for (int i = 0; i < _pieces.Count; i++)
        {
            int index = _pieces[i].Key;
            if ((i & 0xFF) == 0)
            {
                progress?.Invoke(i, _pieces.Count);
            }

            if (_states[index] == StateUnknown)
            {
                (_states[index], bool outOfBudget) = Verify(verifier, index);
                anyFits |= (_states[index] & FitsFlag) != 0;
                spent |= outOfBudget;
            }
        }

        if (spent)
        {
            findings.Damage("payload-overlap", "payload", -1, "The keys name far more payload than the device holds, "
                + "so they overlap as in no sound cache; the rest of it isn't verified and counts as damaged.");
        }

        return _layout.Flags?.PayloadCrc ?? anyFits;
    }

    private (byte State, bool OutOfBudget) Verify(PayloadVerifier verifier, int index)
    {
        RescuedKey key = _log.Keys[index];
        if (key.Verdict == KeyVerdict.Dead)
        {
            return ((byte)RescueState.Damaged, false);
        }

        PayloadVerifier.Outcome outcome =
            key.Verdict == KeyVerdict.Unplaced ? PayloadVerifier.Outcome.OutOfRange : verifier.Verify(in key.Key);
        byte state = outcome switch
        {
            PayloadVerifier.Outcome.Fits => (byte)RescueState.Sound | FitsFlag,
            PayloadVerifier.Outcome.Differs => (byte)RescueState.Sound | DiffersFlag,
            _ => (byte)RescueState.Damaged,
        };
        return (state, outcome == PayloadVerifier.Outcome.BudgetSpent);
    }

    /// <summary>The final word on a key whose payload has been looked at.</summary>
    private RescueState StateOf(int index)
    {
        RescuedKey key = _log.Keys[index];
        byte seen = _states[index];
        if ((seen & StateMask) == (byte)RescueState.Damaged || (_dataCrc && (seen & DiffersFlag) != 0))
        {
            return RescueState.Damaged;
        }

        bool fits = _dataCrc && (seen & FitsFlag) != 0;
        if (!fits && _log.IsLogSegment((int)key.Key.Segment))
        {
            return RescueState.Damaged;
        }

        return key.Kset < _log.StaleBefore || _log.Ksets[key.Kset].IsSuspicious ? RescueState.PossiblyStale
            : !fits && (key.Verdict == KeyVerdict.Unjudged || _layout.Flags is null) ? RescueState.Unverifiable
            : RescueState.Sound;
    }

    private void MakeExtents(FindingList findings)
    {
        foreach (RescuePiece piece in _pieces)
        {
            RescuedKey key = _log.Keys[piece.Key];
            RescuedKset kset = _log.Ksets[key.Kset];
            bool dirty = kset.IsDirty && !key.Key.IsClean;
            long length = (long)(piece.End - piece.Start);
            if (key.Verdict == KeyVerdict.Dead)
            {
                // Without the dirty tail a dead key says that its data has been written back.
                if (dirty && _layout.DirtyTail is not null)
                {
                    _lost.Add(new DeviceRange((long)piece.Start, length));
                    findings.Add(
                        new Finding(FindingSeverity.Lost, "key", _layout.PlaceOf(kset.Position), findings.KeepsMore
                            ? Text($"The write of bytes {piece.Start}..{piece.End - 1} was not written back when its "
                                + $"segment was reused: it is lost. The program that wrote the image lost it.")
                            : string.Empty)
                        { Code = "key-lost" });
                }

                continue;
            }

            RescueState state = StateOf(piece.Key);
            long shift = (long)(piece.Start - key.Key.Offset);
            bool placed = _layout.TryPlace(key.Key.Segment, key.Key.SegmentOffset, key.Key.Length, out long place);
            bool? fits = _dataCrc && (_states[piece.Key] & (FitsFlag | DiffersFlag)) != 0
                ? (_states[piece.Key] & FitsFlag) != 0
                : null;
            _extents.Add(new RescueExtent(
                (long)piece.Start,
                length,
                state,
                dirty,
                placed ? place + shift : -1,
                new LogPosition((int)Math.Min(key.Key.Segment, int.MaxValue),
                    (int)Math.Min(key.Key.SegmentOffset + (ulong)shift, int.MaxValue)),
                fits,
                key.Kset));
            if (state == RescueState.Damaged)
            {
                _damagedBytes += length;
                string advice = dirty ? "It is dirty, so the backing doesn't have it." : "The backing has it.";
                findings.Damage("payload-crc", "payload", placed ? place + shift : -1,
                    !findings.KeepsMore ? string.Empty : Text($"The payload of bytes {piece.Start}..{piece.End - 1} "
                        + $"(kset at {kset.Position}) "
                        + $"{(placed ? "can't be read or doesn't fit its checksum" : "isn't on the device")}. "
                        + $"{advice}"));
            }
        }
    }

    private static string Text(InvariantText text) => text.Take();
}
