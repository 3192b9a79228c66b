using System.Runtime.InteropServices;
using PCache.Core.Ksets;
using PCache.Core.Layout;

namespace PCache.Core.Inspection;

/// <summary>
/// The search for the place where a log goes on behind damage. Keeps true: segments that hold live payload are passed
/// over, as bytes there may look like ksets; the whole device is read for it once at most.
/// </summary>
internal sealed partial class RescueLog
{
    private List<(int Segment, int Offset, uint Sequence)>? _numbered;

    private enum Writer
    {
        Unknown,
        Ours,
        Linux,
    }

    /// <summary>
    /// Looks behind a place in the loaded segment. Why a number that fits proves that the log goes on there, see
    /// <see cref="LogEndProbe"/>: ksets that continue a batch prove it only where one that doesn't stands behind
    /// them, or the one before says that its batch goes on.
    /// </summary>
    private bool TryFindBehind(
        int offset, Found found, SequenceTracker sequence, out ScannedKset next, out bool unnumbered)
    {
        unnumbered = false;
        int first = _scan.IndexFrom(offset + 8);
        bool liveOnly = false;
        bool numbers = true;
        if (!sequence.HasSeen)
        {
            Writer before = Ksets.Count > 0 ? Writer.Linux : WhoWroteBefore(offset);
            liveOnly = before == Writer.Unknown;
            numbers = before != Writer.Linux
                && !(liveOnly && found == Found.Zeros && offset == 0 && _scan.Segment == 0);
        }

        int ofBatch = -1;
        for (int i = first; numbers && i < _scan.Ksets.Count; i++)
        {
            next = _scan.Ksets[i];
            if (next.Sequence == 0
                || (sequence.HasSeen
                    ? SequenceTracker.Distance(sequence.Expected, next.Sequence) > (uint)(
                        (next.Offset - offset) / MediaConstants.KsetHeaderSize)
                    : liveOnly && !HasLiveKey(in next)))
            {
                continue;
            }

            if (next.Header.ContinuesBatch && !_batchGoesOn)
            {
                ofBatch = ofBatch < 0 ? i : ofBatch;
                continue;
            }

            next = ofBatch < 0 ? next : _scan.Ksets[ofBatch];
            return true;
        }

        // Without numbers the log goes on behind damage only where a whole kset can have stood between, and only with
        // ksets that are live as a whole.
        (int from, int to) = WhereUnnumberedCanGoOn(offset, found);
        for (int i = _scan.IndexFrom(from); i < _scan.Ksets.Count && _scan.Ksets[i].Offset <= to; i++)
        {
            next = _scan.Ksets[i];
            if (next.Sequence == 0 && IsLiveAsAWhole(in next))
            {
                unnumbered = true;
                return true;
            }
        }

        next = default;
        return false;
    }

    /// <summary>
    /// Whether behind the log's end there are ksets that continue a batch, and nothing that proves that it was
    /// finished.
    /// </summary>
    private bool MeetsUnfinishedBatch(int offset)
    {
        for (int i = _scan.IndexFrom(offset + 8); i < _scan.Ksets.Count; i++)
        {
            if (_scan.Ksets[i].Header.ContinuesBatch)
            {
                return true;
            }
        }

        return false;
    }

    private (int From, int To) WhereUnnumberedCanGoOn(int offset, Found found)
    {
        if (found == Found.Torn)
        {
            return (offset + MediaConstants.KsetHeaderSize, offset + KsetReader.MaxKsetBytes);
        }

        if (found == Found.Zeros)
        {
            // Linux zeroes 24 bytes behind each kset. More of them, and a live kset behind, mean that ksets have been
            // zeroed.
            int zeros = _scan.Data[Math.Min(offset, _scan.Data.Length)..].IndexOfAnyExcept((byte)0);
            return zeros < MinKsetBytes ? (1, 0) : (offset + MinKsetBytes, offset + zeros + KsetReader.MaxKsetBytes);
        }

        if (found != Found.Unreadable)
        {
            return (1, 0);
        }

        int end = offset;
        while (end < _scan.Data.Length && (end < offset + KsetReader.MaxKsetBytes || _scan.IsUnreadable(end, 1)))
        {
            end += MediaConstants.KsetHeaderSize;
        }

        return (offset + MediaConstants.KsetHeaderSize, end + KsetReader.MaxKsetBytes);
    }

    /// <summary>Looks in segments that neither log nor payload is known to use.</summary>
    private bool TryFindElsewhere(
        Found found, SequenceTracker sequence, int rest, out LogPosition place, out uint number)
    {
        place = default;
        number = 0;
        if (!sequence.HasSeen)
        {
            return found is Found.Torn or Found.Unreadable or Found.BadLink && Ksets.Count > 0
                && rest < 2 * KsetReader.MaxKsetBytes && TryFindOnlyUnnumberedHead(out place);
        }

        // A link takes a number, so the next one at another segment's head means that just the link is lost.
        uint least = found == Found.Zeros ? 1u : 0;
        uint nearest = uint.MaxValue;
        byte[] buffer = new byte[KsetReader.MaxKsetBytes];
        for (int segment = 0; segment < _visited.Length; segment++)
        {
            if (!_visited[segment] && !_referenced[segment] && TryReadHead(segment, buffer, out KsetHeader head)
                && head.Sequence != 0 && (_batchGoesOn || !head.ContinuesBatch))
            {
                uint distance = SequenceTracker.Distance(sequence.Expected, head.Sequence);
                if (distance >= least && distance <= MaxLostBeforeLink && distance < nearest)
                {
                    (nearest, place, number) = (distance, new LogPosition(segment, 0), head.Sequence);
                }
            }
        }

        if (nearest == uint.MaxValue && found is not (Found.Zeros or Found.Leftover))
        {
            long window = Math.Min(MaxWindow, MaxLostBeforeLink + (_layout.Region.LengthBytes / MinKsetBytes));
            foreach ((int segment, int offset, uint sequenceThere) in _numbered ??= IndexNumbers())
            {
                uint distance = SequenceTracker.Distance(sequence.Expected, sequenceThere);
                if (!_visited[segment] && !_referenced[segment] && distance <= window && distance < nearest)
                {
                    (nearest, place, number) = (distance, new LogPosition(segment, offset), sequenceThere);
                }
            }
        }

        return nearest != uint.MaxValue;
    }

    private bool TryFindOnlyUnnumberedHead(out LogPosition place)
    {
        place = default;
        int hits = 0;
        int walked = _scan.Segment;
        for (int segment = 0; segment < _visited.Length && hits < 2; segment++)
        {
            if (!_visited[segment] && !_referenced[segment]
                && TryReadHead(segment, new byte[KsetReader.MaxKsetBytes], out KsetHeader head) && head.Sequence == 0
                && _scan.Load(segment) && _scan.TryGet(0, out ScannedKset kset) && IsLiveAsAWhole(in kset))
            {
                hits++;
                place = new LogPosition(segment, 0);
            }
        }

        _scan.Load(walked);
        return hits == 1;
    }

    private List<(int Segment, int Offset, uint Sequence)> IndexNumbers()
    {
        List<(int Segment, int Offset, uint Sequence)> index = [];
        int walked = _scan.Segment;
        for (int segment = 0; segment < _visited.Length; segment++)
        {
            _progress?.Invoke(segment, _visited.Length);
            if (_visited[segment] || _referenced[segment] || !_scan.Load(segment))
            {
                continue;
            }

            foreach (ScannedKset kset in _scan.Ksets)
            {
                if (kset.Sequence != 0 && !kset.Header.ContinuesBatch)
                {
                    index.Add((segment, kset.Offset, kset.Sequence));
                }
            }
        }

        if (walked >= 0)
        {
            _scan.Load(walked);
        }

        return index;
    }

    private bool TryReadHead(int segment, byte[] buffer, out KsetHeader header)
    {
        header = default;
        try
        {
            if (!_layout.TryPlace(segment, 0, MediaConstants.KsetHeaderSize, out long place))
            {
                return false;
            }

            _layout.Region.ReadMetadata(place, buffer.AsSpan(0, MediaConstants.KsetHeaderSize));
            header = MemoryMarshal.Read<KsetHeader>(buffer);
            int size = SizeOf(in header);
            if (size == 0 || !_layout.TryPlace(segment, 0, size, out place))
            {
                return false;
            }

            _layout.Region.ReadMetadata(place, buffer.AsSpan(0, size));
            return header.Crc == StructureChecksum.Of(buffer.AsSpan(sizeof(uint), size - sizeof(uint)));
        }
        catch (IOException)
        {
            return false;
        }
    }

    private Writer WhoWroteBefore(int end)
    {
        foreach (ScannedKset kset in _scan.Ksets)
        {
            if (kset.End == end)
            {
                return kset.Sequence != 0 ? Writer.Ours : Writer.Linux;
            }
        }

        return Writer.Unknown;
    }

    private bool HasLiveKey(in ScannedKset kset)
    {
        foreach (ref readonly CacheKey key in _scan.Keys(in kset))
        {
            if (IsLive(in key))
            {
                return true;
            }
        }

        return false;
    }

    private bool IsLiveAsAWhole(in ScannedKset kset)
    {
        foreach (ref readonly CacheKey key in _scan.Keys(in kset))
        {
            if (!IsLive(in key))
            {
                return false;
            }
        }

        return !kset.Header.IsLast || kset.Header.KeyCount < _layout.StatedChainLength;
    }
}
