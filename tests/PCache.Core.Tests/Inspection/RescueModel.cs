// Keeps true: what it says about an image comes from the undamaged image and from what was written, never from the
// rescue under test.

using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

/// <summary>A small image with all versions of all of its sectors, and where each thing stands on it.</summary>
internal sealed class RescueModel
{
    public const int Sector = 512;

    private readonly Dictionary<long, List<byte[]>> _versions;

    private RescueModel(byte[] image, byte[] backing, byte[] newest, Dictionary<long, List<byte[]>> versions)
    {
        Image = image;
        Backing = backing;
        Newest = newest;
        _versions = versions;
        using PmemRegion region = Rig.Load(image);
        LogDump dump = CacheImage.ReadLog(region, withKeys: true);
        Ksets = [.. dump.Ksets];
        KeyHead = dump.KeyHead;
        SegmentSize = CacheImage.ReadStatus(region).SegmentSizeBytes;
        NewestKey = new (int Kset, KeyInfo Key)?[newest.Length / Sector];
        for (int i = 0; i < Ksets.Length; i++)
        {
            foreach (KeyInfo key in Ksets[i].Keys)
            {
                for (ulong at = key.Offset; at < key.Offset + key.Length && at < (ulong)newest.Length; at += Sector)
                {
                    NewestKey[at / Sector] = (i, key);
                }
            }
        }
    }

    public byte[] Image { get; }

    public byte[] Backing { get; }

    /// <summary>What the device held.</summary>
    public byte[] Newest { get; }

    public KsetInfo[] Ksets { get; }

    public LogPosition KeyHead { get; }

    public int SegmentSize { get; }

    public (int Kset, KeyInfo Key)?[] NewestKey { get; }

    /// <summary>Random writes, flushes, write-back and collection.</summary>
    public static RescueModel Make(int seed, int segments = 14, int steps = 60)
    {
        var random = new Random(seed);
        using var cache = new SmallCache(segments, backingBytes: 1 << 20, with: o =>
            o with { StartWritebackPaused = true, GcThresholdPercent = random.Next(20, 90) });
        byte[] newest = new byte[1 << 20];
        Dictionary<long, List<byte[]>> versions = [];
        for (int step = 1; step <= steps; step++)
        {
            int action = random.Next(12);
            if (action == 0)
            {
                cache.Device.ResumeWriteback();
                cache.Advance(TimeSpan.FromSeconds(random.Next(1, 20)));
                cache.Device.PauseWriteback();
            }
            else if (action == 1)
            {
                byte[] got = new byte[random.Next(1, 20) * Sector];
                cache.Device.Read(random.Next(1500) * Sector, got);
            }
            else
            {
                long first = random.Next(random.Next(2) == 0 ? 64 : 1900);
                int count = random.Next(1, random.Next(4) == 0 ? 60 : 6);
                byte[] bytes = SectorPattern.Make(first, count, step);
                cache.Device.Write(first * Sector, bytes);
                bytes.CopyTo(newest, first * Sector);
                for (int i = 0; i < count; i++)
                {
                    if (!versions.TryGetValue(first + i, out List<byte[]>? list))
                    {
                        versions.Add(first + i, list = []);
                    }

                    list.Add(bytes[(i * Sector)..((i + 1) * Sector)]);
                }
            }

            if (random.Next(3) == 0)
            {
                cache.Device.Flush();
            }
        }

        cache.Device.Flush();
        return new RescueModel(cache.Region.KillImage(), cache.Backing.Snapshot(), newest, versions);
    }

    /// <summary>
    /// An image as Linux writes it: ksets without numbers; segment 1 and up hold payload, segment 0 and the last ones
    /// the log.
    /// </summary>
    public static RescueModel MakeUnnumbered(int seed)
    {
        var random = new Random(seed);
        using var builder = new ImageBuilder(segments: 8, payloadCrc: true, firstSequence: 0);
        byte[] newest = new byte[1 << 18];
        Dictionary<long, List<byte[]>> versions = [];
        int payloadSegment = 1;
        int used = 0;
        int ksets = random.Next(5, 60);
        for (int i = 0; i < ksets; i++)
        {
            if (i == ksets / 2)
            {
                builder.Link(7);
            }

            CacheKey[] keys = new CacheKey[random.Next(1, 9)];
            for (int k = 0; k < keys.Length; k++)
            {
                if (used > builder.Geometry.DataSize - 4096)
                {
                    (payloadSegment, used) = (payloadSegment + 1, 0);
                }

                long sector = random.Next(random.Next(2) == 0 ? 16 : 500);
                byte[] bytes = SectorPattern.Make(sector, 1, (i * 16) + k + 1);
                CacheKey key = builder.Key((ulong)sector * Sector, Sector, fill: 0, segment: payloadSegment);
                bytes.CopyTo(builder.Region.Bytes(
                    builder.DeviceOffset(new LogPosition(payloadSegment, (int)key.SegmentOffset)), Sector));
                key.PayloadCrc = PCache.Core.Primitives.Crc32C.HashToUInt32(bytes);
                keys[k] = key;
                used += Sector;
                bytes.CopyTo(newest, sector * Sector);
                (versions.TryGetValue(sector, out List<byte[]>? list) ? list : versions[sector] = []).Add(bytes);
            }

            builder.Append(keys);
        }

        return new RescueModel(builder.Region.ToArray(), new byte[newest.Length], newest, versions);
    }

    public long DataOffset(int segment) =>
        MediaConstants.SegmentsOffset + ((long)segment * SegmentSize) + MediaConstants.SegmentDataOffset;

    public (long Offset, int Length) PlaceOf(KsetInfo kset) =>
        (DataOffset(kset.Position.Segment) + kset.Position.Offset, 24 + (40 * kset.KeyCount));

    public (long Offset, int Length) PlaceOf(in KeyInfo key) =>
        (DataOffset((int)key.Segment) + key.SegmentOffset, (int)key.Length);

    public bool WasEver(long sector, ReadOnlySpan<byte> content)
    {
        if (_versions.TryGetValue(sector, out List<byte[]>? list))
        {
            foreach (byte[] version in list)
            {
                if (content.SequenceEqual(version))
                {
                    return true;
                }
            }
        }

        return content.SequenceEqual(Backing.AsSpan((int)(sector * Sector), Sector))
            || !content.ContainsAnyExcept((byte)0);
    }
}
