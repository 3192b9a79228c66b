using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PCache.Core.Pmem;

namespace PCache.Core.Layout;

/// <summary>
/// What the cache knows of its backing between two orderly closes: which file it is, and what of the log says nothing
/// about its content. Two replicas beside the extension block. Keeps true: a record of another cache (the region was
/// formatted anew) is none; it is written whole, over the replica that isn't the latest, and twice, so that falling
/// back never forgets a discard; a range once in it stays covered, also when there is no room for one more. Linux and
/// older versions ignore it, and it says nothing that they could make untrue.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = 512)]
internal struct BackingRecord
{
    /// <summary>Most ranges; more are joined with what lies between them.</summary>
    public const int MaxRanges = 28;

    public const long Offset = 512;

    private const ulong OwnMagic = 0x44524F434B434142; // "BACKCORD"
    private const uint OwnVersion = 1;

    public ReplicaHeader Header;
    public ulong Magic;
    public uint Version;

    /// <summary>
    /// Ksets up to this number say nothing about the backing's content: consent was given to another one. 0: all do.
    /// </summary>
    public uint SinceSequence;

    /// <summary>UUID of the cache that it belongs to.</summary>
    public Bytes16 CacheId;

    /// <summary>
    /// When the backing's file was made (nanoseconds since 1970), and its number; 0, 0: not a file, or not known.
    /// </summary>
    public ulong FileBorn;
    public ulong FileNumber;

    public uint RangeCount;
    public uint Reserved;

    /// <summary>Ranges that the backing was told to discard: what it holds there is undefined.</summary>
    public DiscardedRanges Discarded;

    /// <summary>Which file the backing is; zero: not known.</summary>
    public readonly UInt128 FileId => new(FileBorn, FileNumber);

    /// <summary>Reads the record of a cache; a new one where there is none.</summary>
    public static BackingRecord Read(PmemRegion region, Guid cacheId, out ReplicaState state)
    {
        ReplicaOutcome outcome = Replicas.Read(
            region, Offset, MediaConstants.ExtensionStride, out BackingRecord latest, out _, out state);
        bool valid = outcome is ReplicaOutcome.Both or ReplicaOutcome.One
            && latest.Magic == OwnMagic && latest.Version == OwnVersion
            && latest.CacheId.ToGuid() == cacheId && latest.RangeCount <= MaxRanges;
        return valid
            ? latest
            : new BackingRecord { Magic = OwnMagic, Version = OwnVersion, CacheId = Bytes16.FromGuid(cacheId) };
    }

    /// <summary>Durably writes it to both replicas.</summary>
    public static void Write(PmemRegion region, ref BackingRecord record, ref ReplicaState state)
    {
        for (int i = 0; i < 2; i++)
        {
            Replicas.Write(region, Offset, MediaConstants.ExtensionStride, ref record, ref state);
        }
    }

    /// <summary>Sets which file the backing is.</summary>
    public void SetFile(UInt128 id) => (FileBorn, FileNumber) = ((ulong)(id >> 64), (ulong)id);

    /// <summary>Whether any of a range was discarded.</summary>
    public readonly bool IsDiscarded(long from, long end)
    {
        for (int i = 0; i < RangeCount; i++)
        {
            if (Discarded[i].From < end && from < Discarded[i].End)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Adds a discarded range. False: it is covered already.</summary>
    public bool Discard(long from, long end)
    {
        // What it touches becomes one with it.
        int kept = 0;
        for (int i = 0; i < RangeCount; i++)
        {
            DiscardedRange range = Discarded[i];
            if (range.From <= from && end <= range.End)
            {
                return false;
            }

            if (range.From <= end && from <= range.End)
            {
                (from, end) = (Math.Min(from, range.From), Math.Max(end, range.End));
            }
            else
            {
                Discarded[kept++] = range;
            }
        }

        if (kept == MaxRanges)
        {
            int nearest = Nearest(from, end);
            (from, end) = (Math.Min(from, Discarded[nearest].From), Math.Max(end, Discarded[nearest].End));
            Discarded[nearest] = Discarded[--kept];
        }

        Discarded[kept] = new DiscardedRange { From = from, End = end };
        RangeCount = (uint)kept + 1;
        return true;
    }

    private readonly int Nearest(long from, long end)
    {
        int nearest = 0;
        long least = long.MaxValue;
        for (int i = 0; i < MaxRanges; i++)
        {
            long distance = Discarded[i].From > end ? Discarded[i].From - end : from - Discarded[i].End;
            if (distance < least)
            {
                (nearest, least) = (i, distance);
            }
        }

        return nearest;
    }
}

/// <summary>Bytes [From, End) of the backing.</summary>
internal struct DiscardedRange
{
    public long From;
    public long End;
}

/// <summary>The ranges of a <see cref="BackingRecord"/>.</summary>
[InlineArray(BackingRecord.MaxRanges)]
internal struct DiscardedRanges
{
    private DiscardedRange _first;
}
