using System.Runtime.InteropServices;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Inspection;

/// <summary>
/// Reads the log of a damaged image, on over what is destroyed. Keeps true: no kset is taken twice and no segment
/// entered twice, so the work is bounded by the device; a numbered kset is taken only if its number comes next, or so
/// soon after the next that the ksets between can have stood in what is destroyed; a kset without number behind
/// damage is suspicious; whatever stands before a lost kset that may have named something is possibly stale.
/// </summary>
/// <remarks>
/// <para>What stands behind the last lost kset is the newest version of its ranges: anything newer would be named by
/// a still later kset, which would have been found. What stands before it may have been overwritten by the lost one.
/// A lost link names nothing: where just its number is missing, nothing is stale.</para>
/// <para>Nothing depends on where the log begins: a version found from a place before the key tail on is the newest
/// of the log all the same, as GC goes in log order. The dirty tail lost: all counts as dirty; the newest version in
/// the log is at least as new as the backing's, so that writing it again changes nothing that is newer, and ranges
/// whose newest key is dead or clean are on the backing and don't come out.</para>
/// </remarks>
internal sealed partial class RescueLog
{
    private const int MinKsetBytes = MediaConstants.KsetHeaderSize + MediaConstants.KeySize;
    private const int MaxJumps = 256;
    private const uint MaxLostBeforeLink = 64;
    private const long MaxWindow = 1 << 24;

    private readonly RescueLayout _layout;
    private readonly FindingList _findings;
    private readonly KeyValidator _validator;
    private readonly SegmentScan _scan;
    private readonly bool[] _visited;
    private readonly bool[] _referenced;
    private readonly ulong[] _generations;
    private readonly List<int> _order = [];
    private readonly Action<long, long>? _progress;
    private int _jumps;
    private bool _batchGoesOn; // the kset taken last says that the next one was durable before it

    public RescueLog(RescueLayout layout, FindingList findings, Action<long, long>? progress)
    {
        _layout = layout;
        _findings = findings;
        _progress = progress;
        int count = layout.Chain.Length;
        _validator = new KeyValidator(layout.Geometry, count, null);
        _scan = new SegmentScan(layout);
        _visited = new bool[count];
        _referenced = new bool[count];
        _generations = new ulong[count];
        for (int segment = 0; segment < count; segment++)
        {
            _generations[segment] = layout.Generations[segment] ?? 0;
        }
    }

    /// <summary>What stands at a place in the log that is no next kset.</summary>
    private enum Found
    {
        Zeros,
        Leftover,
        Torn,
        Unreadable,
        BadLink,
    }

    public List<RescuedKset> Ksets { get; } = [];

    public List<RescuedKey> Keys { get; } = [];

    public List<RescueHole> Holes { get; } = [];

    /// <summary>Keys of ksets with a lower index are possibly stale.</summary>
    public int StaleBefore { get; private set; }

    /// <summary>Where the log ends, as far as it was followed.</summary>
    public LogPosition End { get; private set; }

    public bool IsLogSegment(int segment) => _visited[segment];

    public void Read()
    {
        if ((_layout.KeyTail ?? _layout.DirtyTail) is LogPosition start)
        {
            Walk(start);
        }
        else
        {
            ReadInOrderOfNumbers();
        }

        JudgeGenerations();
        MarkDirty();
    }

    private void Walk(LogPosition position)
    {
        SequenceTracker sequence = default;
        bool suspicious = false;
        Enter(position.Segment);
        while (true)
        {
            End = position;
            bool badLink = false;
            if (_scan.Load(position.Segment) && _scan.TryGet(position.Offset, out ScannedKset kset)
                && sequence.Accepts(kset.Sequence))
            {
                sequence.Advance(kset.Sequence);
                Take(position.Segment, in kset, _scan.Keys(in kset), suspicious);
                if (!kset.Header.IsLast)
                {
                    position = new LogPosition(position.Segment, kset.End);
                    continue;
                }

                long next = kset.Header.KeyCount;
                if (next < _layout.StatedChainLength && !IsVisited(next))
                {
                    position = new LogPosition((int)next, 0);
                    Enter(position.Segment);
                    continue;
                }

                _findings.Damage(
                    "kset-link", "kset", _layout.PlaceOf(position), Text($"The last kset at {position} links to cache "
                        + $"segment {next}, where the log can't go on: there is none, or the log has been there."));
                position = new LogPosition(position.Segment, kset.End);
                badLink = true;
            }

            if (!TryGoOn(ref position, ref sequence, ref suspicious, badLink))
            {
                return;
            }
        }
    }

    /// <summary>
    /// Looks for the place where the log goes on behind something that is no next kset. False: it ends here.
    /// </summary>
    private bool TryGoOn(ref LogPosition position, ref SequenceTracker sequence, ref bool suspicious, bool badLink)
    {
        bool loaded = _scan.Segment == position.Segment;
        Found found = badLink ? Found.BadLink : loaded ? Look(position.Offset) : Found.Unreadable;
        int rest = Math.Max(0, _layout.Geometry.DataSize - position.Offset);
        if (loaded && !badLink
            && TryFindBehind(position.Offset, found, sequence, out ScannedKset next, out bool unnumbered))
        {
            int bytes = next.Offset - position.Offset;
            AddHole(position, bytes, MostKeys(bytes, sequence, next.Sequence),
                "ksets are destroyed; the log goes on behind them");
            suspicious |= unnumbered;
            position = new LogPosition(position.Segment, next.Offset);
            sequence = next.Sequence != 0 ? default : sequence;
            return true;
        }

        if (_jumps < MaxJumps && TryFindElsewhere(found, sequence, rest, out LogPosition place, out uint number))
        {
            _jumps++;
            long missing = number == 0 ? long.MaxValue : SequenceTracker.Distance(sequence.Expected, number);
            if (place.Offset == 0 && missing <= (badLink ? 0 : 1))
            {
                if (!badLink)
                {
                    _findings.Damage("kset-link", "kset", _layout.PlaceOf(position),
                        Text($"The link of the log at {position} is destroyed; the log goes on at {place}, as the "
                            + $"numbers of its ksets tell. Nothing is lost by it."));
                }
            }
            else
            {
                AddHole(
                    position, rest, number == 0 ? (rest + place.Offset) / MediaConstants.KeySize : MostKeys(
                        long.MaxValue, sequence, number), Text($"ksets are destroyed; the log goes on at {place}"));
            }

            suspicious |= number == 0;
            position = place;
            sequence = number != 0 ? default : sequence;
            Enter(place.Segment);
            return true;
        }

        End = position;
        EndAt(position, found, rest, loaded);
        if (!loaded && !sequence.HasSeen)
        {
            ReadInOrderOfNumbers();
        }

        return false;
    }

    private void EndAt(LogPosition end, Found found, int rest, bool loaded)
    {
        if (!loaded)
        {
            AddHole(
                end, -1, -1, "the log goes on in a segment that isn't on the device, and nothing more of it is found");
        }
        else if (found is Found.Unreadable or Found.BadLink)
        {
            AddHole(
                end, rest, rest / MediaConstants.KeySize, "it can't be read on from here, and no later kset is found");
        }
        else if (found == Found.Torn && IsWholeButForItsChecksum(end.Offset, out int keys))
        {
            AddHole(end, MediaConstants.KsetHeaderSize + (keys * MediaConstants.KeySize), keys,
                "a whole kset doesn't fit its checksum");
        }
        else if (_batchGoesOn)
        {
            AddHole(end, rest, rest / MediaConstants.KeySize, "the rest of a batch of ksets is destroyed");
        }
        else if (MeetsUnfinishedBatch(end.Offset))
        {
            _findings.Note(
                "log-unfinished", "kset", _layout.PlaceOf(end), Text($"The log ends at {end} before a batch of ksets "
                    + $"whose first was not stored, as an interrupted, unacknowledged append leaves it."));
        }
        else if (found == Found.Torn)
        {
            _findings.Note(
                "log-torn", "kset", _layout.PlaceOf(end), Text($"The log ends at {end} with a kset that was not "
                    + $"completely written, as an interrupted, unacknowledged append leaves it."));
        }
        else if (found == Found.Leftover)
        {
            _findings.Note("log-leftover", "kset", _layout.PlaceOf(end),
                Text($"The log ends at {end} before a kset of an earlier use of the segment."));
        }
    }

    private Found Look(int offset)
    {
        if (offset > _layout.Geometry.DataSize - MediaConstants.KsetHeaderSize
            || _scan.IsUnreadable(offset, MediaConstants.KsetHeaderSize))
        {
            return Found.Unreadable;
        }

        ReadOnlySpan<byte> head = _scan.Data.Slice(offset, MediaConstants.KsetHeaderSize);
        if (!head.ContainsAnyExcept((byte)0))
        {
            return Found.Zeros;
        }

        if (_scan.TryGet(offset, out _))
        {
            return Found.Leftover;
        }

        KsetHeader header = MemoryMarshal.Read<KsetHeader>(head);
        int size = SizeOf(in header);
        return size > 0 && offset + size <= _scan.Data.Length && _scan.IsUnreadable(offset, size)
            ? Found.Unreadable
            : Found.Torn;
    }

    /// <summary>
    /// Whether all keys of the kset at hand are right, payload included, so that it was whole once: an interrupted
    /// append lacks some.
    /// </summary>
    private bool IsWholeButForItsChecksum(int offset, out int keys)
    {
        KsetHeader header = MemoryMarshal.Read<KsetHeader>(_scan.Data[offset..]);
        int size = SizeOf(in header);
        keys = size == 0 || header.IsLast ? 0 : (int)header.KeyCount;
        if (keys == 0 || offset + size > _scan.Data.Length)
        {
            return false;
        }

        PayloadVerifier verifier = new(_layout);
        foreach (ref readonly CacheKey key in MemoryMarshal.Cast<byte, CacheKey>(
            _scan.Data.Slice(offset + MediaConstants.KsetHeaderSize, keys * MediaConstants.KeySize)))
        {
            CacheKey judged = key;
            if (!IsLive(in key) || (_layout.Flags is not { PayloadCrc: false }
                && verifier.Verify(in judged) != PayloadVerifier.Outcome.Fits))
            {
                return false;
            }
        }

        return true;
    }

    private static int SizeOf(in KsetHeader header) =>
        header.Magic != MediaConstants.KsetMagic ? 0
        : header.IsLast ? MediaConstants.KsetHeaderSize
        : header.KeyCount is 0 or > MediaConstants.MaxKeysPerKset ? 0
        : MediaConstants.KsetHeaderSize + ((int)header.KeyCount * MediaConstants.KeySize);

    private void Take(int segment, in ScannedKset kset, ReadOnlySpan<CacheKey> keys, bool suspicious)
    {
        RescuedKset taken = new()
        {
            Position = new LogPosition(segment, kset.Offset),
            Header = kset.Header,
            FirstKey = Keys.Count,
            IsSuspicious = suspicious
        };
        _batchGoesOn = kset.Header.BatchGoesOn;
        TakeLength(in kset, keys);
        bool lostSome = false;
        for (int i = 0; i < keys.Length; i++)
        {
            ref readonly CacheKey key = ref keys[i];
            CacheKey judged = key;
            bool known = key.Segment < (uint)_generations.Length && _layout.Generations[key.Segment] is not null;
            if (!known)
            {
                judged.Generation = 0;
            }

            KeyFault fault = _validator.Find(in judged, _generations, out KeyState state);
            if (fault is KeyFault.Empty or KeyFault.Length or KeyFault.Offset or KeyFault.Stripe)
            {
                _findings.Damage(
                    "key",
                    "key",
                    _layout.PlaceOf(taken.Position) + MediaConstants.KsetHeaderSize + (i * MediaConstants.KeySize),
                    _findings.KeepsMore ? Text($"The key's range {key.Offset}+{key.Length} is impossible: what it "
                        + $"named is lost.") : string.Empty);
                lostSome = true;
                continue;
            }

            KeyVerdict verdict = fault is KeyFault.Segment or KeyFault.Payload ? KeyVerdict.Unplaced
                : !known ? KeyVerdict.Unjudged
                : state == KeyState.Live || fault == KeyFault.Generation ? KeyVerdict.Live
                : KeyVerdict.Dead;
            if (verdict is KeyVerdict.Live or KeyVerdict.Unjudged)
            {
                _referenced[key.Segment] = true;
            }

            Keys.Add(new RescuedKey { Key = key, Kset = Ksets.Count, Verdict = verdict });
        }

        if (lostSome)
        {
            StaleBefore = Ksets.Count;
        }

        taken.KeyCount = Keys.Count - taken.FirstKey;
        Ksets.Add(taken);
    }

    private bool IsLive(in CacheKey key)
    {
        CacheKey judged = key;
        if (key.Segment < (uint)_generations.Length && _layout.Generations[key.Segment] is null)
        {
            judged.Generation = 0;
        }

        return _validator.Find(in judged, _generations, out KeyState state) == KeyFault.None && state == KeyState.Live;
    }

    private void AddHole(LogPosition position, long bytes, long mostKeys, string what)
    {
        StaleBefore = Ksets.Count;
        Holes.Add(new RescueHole(position, _layout.PlaceOf(position), bytes, mostKeys, IsDirty: true));
        string extent =
            bytes < 0 ? string.Empty : Text($" {bytes} bytes of log are lost, with at most {mostKeys} keys.");
        _findings.Damage(
            "log-hole", "kset", _layout.PlaceOf(position), Text($"The log has a hole at {position}: {what}.{extent} "
                + $"Ranges that only earlier ksets name may have had a newer version."));
    }

    private static long MostKeys(long bytes, SequenceTracker sequence, uint number)
    {
        long byBytes = bytes / MediaConstants.KeySize;
        return number == 0 || !sequence.HasSeen ? byBytes : Math.Min(
            byBytes, SequenceTracker.Distance(sequence.Expected, number) * (long)MediaConstants.MaxKeysPerKset);
    }

    private bool IsVisited(long segment) =>
        segment < _visited.Length ? _visited[segment] : _order.Contains((int)segment);

    private void Enter(int segment)
    {
        if (segment < _visited.Length)
        {
            _visited[segment] = true;
        }

        _order.Add(segment);
        _progress?.Invoke(_order.Count, _layout.Chain.Length);
    }

    private static string Text(InvariantText text) => text.Take();
}
