using System.Runtime.InteropServices;
using PCache.Core.Inspection;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

/// <summary>
/// Images changed at random, half of the time with the checksums made right again: whatever comes out, it is a success or one of the library's exceptions,
/// nothing is read outside the region (the region throws then), nothing is stored, and a check never throws.
/// </summary>
public class MutationTests
{
    private const int Images = 3000;

    [Fact]
    public void No_mutated_image_does_any_harm()
    {
        using ImageBuilder image = Build(out List<(long Offset, int Size)> structures);
        byte[] original = image.Region.ToArray();
        using TestRegion region = TestRegion.Of(original);
        int sound = 0;
        int refused = 0;
        for (int seed = 0; seed < Images; seed++)
        {
            Random random = new(seed);
            List<(long Offset, byte[] Old)> undo = Mutate(region, structures, random);
            int stores = region.Stores;
            try
            {
                long? backingLength = random.Next(3) == 0 ? 1 << 20 : null;
                bool opened = TryOpen(region, backingLength);
                CheckReport report = CacheImage.Check(region, new CheckOptions { Linux = true, BackingLengthBytes = backingLength });
                Assert.All(report.Findings, f => Assert.NotEmpty(f.Text));
                Assert.False(report.Linux);
                if (opened)
                {
                    Assert.True(report.IsCache);
                    Assert.DoesNotContain(report.Findings, f => f.Severity == FindingSeverity.Damage && f.Structure is not ("payload" or "extension block"));
                }
                else
                {
                    Assert.Contains(report.Findings, f => f.Severity == FindingSeverity.Damage);
                }

                sound += opened ? 1 : 0;
                refused += opened ? 0 : 1;
                TryDump(region);
            }
            catch (Exception e) when (e is not PCacheException)
            {
                throw new InvalidOperationException($"Seed {seed}.", e);
            }

            Assert.Equal(stores, region.Stores);
            for (int i = undo.Count - 1; i >= 0; i--)
            {
                undo[i].Old.CopyTo(region.Bytes(undo[i].Offset, undo[i].Old.Length));
            }
        }

        Assert.Equal(original, region.ToArray());

        // The mutations reach both outcomes often enough to mean something.
        Assert.InRange(sound, Images / 20, Images);
        Assert.InRange(refused, Images / 20, Images);
    }

    private static bool TryOpen(TestRegion region, long? backingLength)
    {
        try
        {
            MediaState media = MediaLoader.Load(region);
            ReplayResult result = LogReplay.Run(region, media, new CountingSink(), backingLength);
            Assert.InRange(result.Ksets, 0, 10_000);
            return true;
        }
        catch (PCacheException)
        {
            return false;
        }
    }

    private static void TryDump(TestRegion region)
    {
        try
        {
            CacheImageStatus status = CacheImage.ReadStatus(region);
            Assert.Equal(status.Ksets, CacheImage.ReadLog(region, withKeys: true).Ksets.Count());
        }
        catch (PCacheException)
        {
            // Too damaged for a status: said so.
        }
    }

    private static ImageBuilder Build(out List<(long Offset, int Size)> structures)
    {
        ImageBuilder image = new();
        structures = [(0, 256), (4096, 24), (8192, 24), (12288, 24), (16384, 16), (16400, 16), (16416, 16), (16432, 16)];
        for (int i = 0; i < 6; i++)
        {
            long segment = image.Geometry.SegmentOffset(i);
            structures.AddRange([(segment, 16), (segment + 4096, 16), (segment + 8192, 16), (segment + 8208, 16)]);
        }

        image.SetGeneration(5, 2);
        for (int i = 1; i <= 12; i++)
        {
            CacheKey[] keys = new CacheKey[i];
            for (int k = 0; k < i; k++)
            {
                keys[k] = image.Key((ulong)((i * 64) + k) * 512, segment: k % 3 == 0 ? 5 : 1, generation: k % 3 == 0 ? (ulong)(i % 2) + 1 : 0);
            }

            LogPosition at = image.Append(keys);
            structures.Add((image.DeviceOffset(at), 24 + (40 * i)));
            if (i is 5 or 9)
            {
                structures.Add((image.DeviceOffset(image.Link(i == 5 ? 3 : 2)), 24));
            }

            if (i is 4 or 6 or 10)
            {
                image.SetDirtyTail(image.Head);
            }

            if (i == 2)
            {
                image.SetKeyTail(image.Head);
            }
        }

        return image;
    }

    private static List<(long Offset, byte[] Old)> Mutate(TestRegion region, List<(long Offset, int Size)> structures, Random random)
    {
        List<(long, byte[])> undo = [];
        int count = 1 + random.Next(3);
        for (int i = 0; i < count; i++)
        {
            (long offset, int size) = structures[random.Next(structures.Count)];
            Span<byte> bytes = region.Bytes(offset, size);
            undo.Add((offset, bytes.ToArray()));
            int word = random.Next(size / 4);
            Span<byte> field = bytes.Slice(word * 4, 4);
            uint value = MemoryMarshal.Read<uint>(field);
            uint changed = random.Next(8) switch
            {
                0 => 0,
                1 => uint.MaxValue,
                2 => value + 1,
                3 => value - 1,
                4 => value ^ (1u << random.Next(32)),
                5 => (uint)random.Next(8),
                6 => (uint)random.Next(1 << 17) & ~7u,
                _ => (uint)random.NextInt64(1L << 32),
            };
            MemoryMarshal.Write(field, in changed);
            if (random.Next(2) == 0)
            {
                MemoryMarshal.Write(bytes, Crc32C.HashToUInt32(bytes[4..]));
            }
        }

        return undo;
    }
}
