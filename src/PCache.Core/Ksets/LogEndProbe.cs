using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Core.Ksets;

/// <summary>
/// Tells a log that has ended from one that is damaged: looks for ksets of this log behind the place where it seems
/// to end. Keeps true: nothing that a power cut of a writer obeying the format page can leave is ever called damage.
/// One pass over the rest of one segment, and one look at each free segment.
/// </summary>
/// <remarks>
/// <para>Why a hit is damage. A writer that numbers ksets stores one only when its predecessor is durable, and links
/// on only after the target was zeroed. So when a whole kset with a number at or after the expected one is on the
/// medium, everything before it once was: what stands at the log's end now has been destroyed. Ksets that continue a
/// batch are stored before that batch's first, so they prove nothing: behind the end they are of a batch that was
/// never finished. (A kset whose batch goes on proves that the next one once stood: that is for who reads it.)</para>
/// <para>Why there are no false alarms. Numbers only grow, so ksets of earlier uses have numbers before the expected
/// one, and the difference, taken round 2^32, is far beyond the ksets that fit between. Our log segments hold nothing
/// but zeros behind the log's end anyway: they are zeroed whole before use, and again from the end on at a writable
/// open (half done when the power goes, that removes ksets, never adds one). Linux reuses segments without zeroing
/// them and so may leave old numbered ksets behind its end, but those numbers are before the expected one too. What
/// remains is a new random start (no numbered kset was left in the log), after which an old number lies in the window
/// by chance: at most 2^18 of 2^32 behind the end. Heads of free segments are cleared when payload is given back and
/// at each writable open; what is left is payload at a segment's head that is itself a whole kset with one of the
/// next 65 numbers, if the machine stops between the last key's leaving the log and that.</para>
/// <para>When the log is empty there is no expected number (a new start is random). Then the kset that ends at the
/// key tail tells who wrote there last; it has been collected, but is still there. With a number: we did, so behind
/// it was nothing but zeros, and any numbered kset behind the key tail is of this log. Without: Linux, which may have
/// left old ones; no verdict. With the key tail at the head of a segment there is no such evidence; but as nothing is
/// referenced, all keys of earlier uses are dead (freeing a payload segment raises its generation), so a numbered
/// kset with a live key is of this log. One exception: formatting anew resets generations, so with the key tail where
/// formatting puts it, zeros there are taken for a new cache.</para>
/// </remarks>
internal sealed class LogEndProbe
{
    /// <summary>
    /// Ksets that may be destroyed together with the last one at a segment's end: as many as a page of 4 KiB holds.
    /// </summary>
    private const uint MaxLostBeforeLink = 64;

    private enum Writer
    {
        Unknown,
        Ours,
        Linux,
    }

    private const int ChunkBytes = 256 << 10;
    private const int MinKsetBytes = MediaConstants.KsetHeaderSize + MediaConstants.KeySize;
    private const int MagicAt = 8;

    private readonly PmemRegion _region;
    private readonly MediaState _media;
    private readonly KsetReader _reader;
    private readonly KeyValidator _validator;

    public LogEndProbe(PmemRegion region, MediaState media, KeyValidator validator)
    {
        _region = region;
        _media = media;
        _validator = validator;
        _reader = new KsetReader(region, media.Geometry, media.Chain);
    }

    /// <summary>
    /// Whether the end is that of an append of several ksets that was interrupted before the first was stored.
    /// </summary>
    public bool MetUnfinishedBatch { get; private set; }

    /// <summary>Where a kset of this log stands behind its apparent end; null: the log has really ended.</summary>
    /// <param name="end">Where the log seems to end.</param>
    /// <param name="outcome">What stands there.</param>
    /// <param name="sequence">The numbers seen.</param>
    /// <param name="ksets">Ksets replayed.</param>
    /// <param name="use">The segments in use.</param>
    /// <param name="text">What is wrong.</param>
    public LogPosition? Find(
        LogPosition end, KsetOutcome outcome, SequenceTracker sequence, long ksets, SegmentUse use, out string text)
    {
        bool anyNumber = !sequence.HasSeen;
        bool liveOnly = false;
        text = string.Empty;
        if (anyNumber)
        {
            Writer before = ksets > 0 ? Writer.Linux : WhoWroteBefore(end);
            liveOnly = before == Writer.Unknown;
            if (before == Writer.Linux || (liveOnly && outcome == KsetOutcome.Zeros && end == default))
            {
                return null;
            }
        }

        LogPosition? found = FindInSegment(end, sequence, liveOnly);
        if (found is null && !anyNumber)
        {
            found = FindLinkTarget(sequence.Expected, use);
        }

        if (found is LogPosition position)
        {
            string expected =
                anyNumber ? "any number" : string.Create(CultureInfo.InvariantCulture, $"number {sequence.Expected}");
            text = string.Create(
                CultureInfo.InvariantCulture,
                $"The log seems to end at {end} (found: {Name(outcome)}; allowed: a kset with {expected}), but kset "
                + $"number {_reader.Header.Sequence} of it stands at {position}: what was between is destroyed, and "
                + $"acknowledged writes with it. Keep the image; restore it from a copy.");
        }

        return found;
    }

    private static string Name(KsetOutcome outcome) => outcome switch
    {
        KsetOutcome.Zeros => "zeros",
        KsetOutcome.Leftover => "a kset of an earlier use",
        _ => "no whole kset",
    };

    /// <summary>
    /// Whether the kset that ends at <paramref name="end"/> has a number, found by walking there from the head of its
    /// segment.
    /// </summary>
    private Writer WhoWroteBefore(LogPosition end)
    {
        KsetReader reader = new(_region, _media.Geometry, _media.Chain, readAhead: true);
        LogPosition position = new(end.Segment, 0);
        Writer writer = Writer.Unknown;
        try
        {
            while (position.Offset < end.Offset)
            {
                if (reader.Read(position) != KsetOutcome.Valid || reader.Header.IsLast)
                {
                    return Writer.Unknown;
                }

                writer = reader.Header.Sequence != 0 ? Writer.Ours : Writer.Linux;
                position = reader.Next;
            }
        }
        catch (IOException)
        {
            return Writer.Unknown;
        }

        return position == end ? writer : Writer.Unknown;
    }

    /// <summary>Looks at every place behind the end where a kset's magic stands.</summary>
    private LogPosition? FindInSegment(LogPosition end, SequenceTracker sequence, bool liveOnly)
    {
        Span<byte> magic = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(magic, MediaConstants.KsetMagic);
        int dataSize = _media.Geometry.DataSize;
        byte[] buffer = new byte[Math.Min(ChunkBytes, dataSize)];
        int from = end.Offset + MinKsetBytes;

        // A kset at q has its magic at q + 8; chunks overlap by what is needed to see a header whole.
        int last = dataSize - MediaConstants.KsetHeaderSize;
        for (int chunk = from; chunk <= last; chunk += ChunkBytes - MediaConstants.KsetHeaderSize)
        {
            int length = Math.Min(ChunkBytes, dataSize - chunk);
            ReadTolerantly(_media.DeviceOffset(new LogPosition(end.Segment, chunk)), buffer.AsSpan(0, length));
            for (int at = 0; at <= length - sizeof(ulong);)
            {
                int hit = buffer.AsSpan(at, length - at).IndexOf(magic);
                if (hit < 0)
                {
                    break;
                }

                at += hit + 1;
                int header = at - 1 - MagicAt;
                LogPosition position = new(end.Segment, chunk + header);
                if (header < 0 || header + MediaConstants.KsetHeaderSize > length || position.Offset % 8 != 0)
                {
                    continue;
                }

                uint number = MemoryMarshal.Read<KsetHeader>(buffer.AsSpan(header)).Sequence;
                if (number != 0 && Belongs(number, position.Offset - end.Offset, sequence) && IsWhole(position)
                    && _reader.Header.Sequence == number && IsProof() && (!liveOnly || HasLiveKey()))
                {
                    return position;
                }
            }
        }

        return null;
    }

    private static bool Belongs(uint number, int distanceBytes, SequenceTracker sequence) =>
        !sequence.HasSeen
            || SequenceTracker.Distance(sequence.Expected, number) <= (uint)(distanceBytes / MinKsetBytes);

    /// <summary>Whether the kset at hand can stand there only because the one before it did.</summary>
    private bool IsProof()
    {
        bool unfinished = _reader.Header.ContinuesBatch;
        MetUnfinishedBatch |= unfinished;
        return !unfinished;
    }

    private bool HasLiveKey()
    {
        ReadOnlySpan<CacheKey> keys = _reader.Keys;
        for (int i = 0; i < keys.Length; i++)
        {
            if (_validator.Find(in keys[i], _media.Generations, out KeyState state) == KeyFault.None
                && state == KeyState.Live)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// Looks for the kset that a destroyed last kset would have led to: at the head of a segment that nothing uses.
    /// </summary>
    private LogPosition? FindLinkTarget(uint expected, SegmentUse use)
    {
        for (int segment = 0; segment < _media.ChainLength; segment++)
        {
            if (use.IsUsed(segment))
            {
                continue;
            }

            LogPosition head = new(segment, 0);
            if (IsWhole(head) && _reader.Header.Sequence != 0
                && SequenceTracker.Distance(expected, _reader.Header.Sequence) is > 0 and <= MaxLostBeforeLink
                && IsProof())
            {
                return head;
            }
        }

        return null;
    }

    /// <summary>Whether a whole kset stands there. What can't be read, behind the log's end, is none.</summary>
    private bool IsWhole(LogPosition position)
    {
        try
        {
            return _reader.Read(position) == KsetOutcome.Valid;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>Reads what can be read; what can't reads as zeros.</summary>
    private void ReadTolerantly(long deviceOffset, Span<byte> buffer)
    {
        try
        {
            _region.ReadMetadata(deviceOffset, buffer);
            return;
        }
        catch (IOException)
        {
            // A bad line hides only its own page: below, page by page.
        }

        for (int at = 0; at < buffer.Length; at += MediaConstants.BlockSize)
        {
            Span<byte> page = buffer.Slice(at, Math.Min(MediaConstants.BlockSize, buffer.Length - at));
            try
            {
                _region.ReadMetadata(deviceOffset + at, page);
            }
            catch (IOException)
            {
                page.Clear();
            }
        }
    }
}
