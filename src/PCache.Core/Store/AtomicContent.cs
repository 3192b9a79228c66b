using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>A range of a batch: whole sectors of one stripe, or one sector that is written in part.</summary>
internal readonly record struct AtomicRange(long Offset, int LengthBytes, bool IsPartial);

/// <summary>
/// What a batch is going to write, in memory. Keeps true: of each byte it has the last write, in the order in which
/// they came; it knows which sectors are written as a whole, and of the others which bytes. Belongs to one thread at
/// a time.
/// </summary>
internal sealed class AtomicContent
{
    /// <summary>Longest range: what is copied together before it is stored.</summary>
    public const int MaxRangeBytes = 256 << 10;

    private const int PageBytes = 4096;
    private const int SectorSize = MediaConstants.SectorSize;
    private const int SectorsPerPage = PageBytes / SectorSize;
    private readonly Dictionary<long, Page> _pages = [];

    /// <summary>Bytes of all sectors that are written, in part or whole.</summary>
    public long SectorBytes { get; private set; }

    /// <summary>End of the write that ends last.</summary>
    public long End { get; private set; }

    /// <summary>Writes so far.</summary>
    public int Writes { get; private set; }

    /// <summary>Bytes of the sectors that a range would add.</summary>
    public long Added(long offset, long lengthBytes)
    {
        long added = 0;
        for (long at = offset & -SectorSize; at < offset + lengthBytes; at += SectorSize)
        {
            bool known = _pages.TryGetValue(at / PageBytes, out Page? page)
                && ((page.Whole | page.Part) & (1 << SectorOf(at))) != 0;
            added += known ? 0 : SectorSize;
        }

        return added;
    }

    /// <summary>Takes a write over what is there.</summary>
    public void Write(long offset, ReadOnlySpan<byte> data)
    {
        SectorBytes += Added(offset, data.Length);
        End = data.IsEmpty ? End : Math.Max(End, offset + data.Length);
        Writes++;
        while (!data.IsEmpty)
        {
            long number = offset / PageBytes;
            int inPage = (int)(offset % PageBytes);
            int count = Math.Min(data.Length, PageBytes - inPage);
            if (!_pages.TryGetValue(number, out Page? page))
            {
                _pages.Add(number, page = new Page());
            }

            data[..count].CopyTo(page.Data.AsSpan(inPage));
            page.Cover(inPage, count);
            data = data[count..];
            offset += count;
        }
    }

    /// <summary>Puts what is written over what was read.</summary>
    public void Overlay(long offset, Span<byte> read)
    {
        for (int done = 0; done < read.Length;)
        {
            int inPage = (int)((offset + done) % PageBytes);
            int count = Math.Min(read.Length - done, PageBytes - inPage);
            if (_pages.TryGetValue((offset + done) / PageBytes, out Page? page))
            {
                page.Overlay(inPage, read.Slice(done, count));
            }

            done += count;
        }
    }

    /// <summary>The ranges, in order of place.</summary>
    public List<AtomicRange> Ranges()
    {
        List<AtomicRange> ranges = [];
        long[] numbers = [.. _pages.Keys];
        Array.Sort(numbers);
        foreach (long number in numbers)
        {
            Page page = _pages[number];
            for (int sector = 0; sector < SectorsPerPage; sector++)
            {
                long offset = (number * PageBytes) + (sector * SectorSize);
                if ((page.Whole & (1 << sector)) != 0)
                {
                    AddWhole(ranges, offset);
                }
                else if ((page.Part & (1 << sector)) != 0)
                {
                    ranges.Add(new AtomicRange(offset, SectorSize, IsPartial: true));
                }
            }
        }

        return ranges;
    }

    private static int SectorOf(long offset) => (int)(offset % PageBytes) / SectorSize;

    private static void AddWhole(List<AtomicRange> ranges, long offset)
    {
        if (ranges.Count > 0 && ranges[^1] is { IsPartial: false } last && last.Offset + last.LengthBytes == offset
            && offset % MediaConstants.StripeSize != 0 && last.LengthBytes < MaxRangeBytes)
        {
            ranges[^1] = last with { LengthBytes = last.LengthBytes + SectorSize };
        }
        else
        {
            ranges.Add(new AtomicRange(offset, SectorSize, IsPartial: false));
        }
    }

    /// <summary>4 KiB of the device.</summary>
    private sealed class Page
    {
        public readonly byte[] Data = new byte[PageBytes];
        private ulong[]? _bytes; // which are written, of sectors that are written in part

        /// <summary>A bit for each sector that is written as a whole.</summary>
        public int Whole { get; private set; }

        /// <summary>A bit for each sector that is written in part.</summary>
        public int Part { get; private set; }

        public void Cover(int from, int count)
        {
            for (int sector = from / SectorSize; sector * SectorSize < from + count; sector++)
            {
                int start = Math.Max(from, sector * SectorSize);
                int end = Math.Min(from + count, (sector + 1) * SectorSize);
                if ((Whole & (1 << sector)) != 0)
                {
                    continue;
                }

                if (end - start < SectorSize)
                {
                    Mark(start, end);
                    if (!IsMarked(sector))
                    {
                        Part |= 1 << sector;
                        continue;
                    }
                }

                Whole |= 1 << sector;
                Part &= ~(1 << sector);
            }
        }

        public void Overlay(int from, Span<byte> read)
        {
            for (int sector = from / SectorSize; sector * SectorSize < from + read.Length; sector++)
            {
                int start = Math.Max(from, sector * SectorSize);
                int end = Math.Min(from + read.Length, (sector + 1) * SectorSize);
                if ((Whole & (1 << sector)) != 0)
                {
                    Data.AsSpan(start, end - start).CopyTo(read[(start - from)..]);
                }
                else if ((Part & (1 << sector)) != 0)
                {
                    for (int i = start; i < end; i++)
                    {
                        read[i - from] = (_bytes![i / 64] & (1UL << (i % 64))) != 0 ? Data[i] : read[i - from];
                    }
                }
            }
        }

        private void Mark(int start, int end)
        {
            _bytes ??= new ulong[PageBytes / 64];
            for (int i = start; i < end; i++)
            {
                _bytes[i / 64] |= 1UL << (i % 64);
            }
        }

        private bool IsMarked(int sector)
        {
            ReadOnlySpan<ulong> words = _bytes.AsSpan(sector * (SectorSize / 64), SectorSize / 64);
            Invariant.Holds(words.Length * 64 == SectorSize, "a sector's marks are whole words");
            return !words.ContainsAnyExcept(ulong.MaxValue);
        }
    }
}
