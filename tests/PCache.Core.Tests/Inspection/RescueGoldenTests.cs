// Keeps true: a rescue of an undamaged image gives exactly what Linux gave; each kind of damage is played on images
// that Linux wrote too.

using System.Security.Cryptography;
using PCache.Core.Inspection;
using PCache.Core.Layout;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Inspection;

/// <summary>Rescue of images that Linux wrote.</summary>
public sealed class RescueGoldenTests
{
    public static TheoryData<string> Sets() => [.. GoldenSet.Names];

    public static TheoryData<string, string> Damages()
    {
        var rows = new TheoryData<string, string>();
        foreach (string name in (string[])["dirty-small", "read-fill", "gc-crash"])
        {
            foreach (string damage in (string[])["superblock", "cache info", "key tail", "dirty tail", "segment infos",
                "generations", "superblock, cache info, segment infos"])
            {
                rows.Add(name, damage);
            }
        }

        return rows;
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void An_undamaged_image_gives_what_linux_read_and_wrote_back(string name)
    {
        GoldenSet set = GoldenSet.Load(name);
        using TestRegion region = set.OpenPmem();
        RescueImage rescue = CacheRescue.Open(region);
        Assert.True(rescue.IsSound, string.Join('\n', rescue.Findings));
        Assert.Empty(rescue.Holes);
        Assert.All(rescue.Extents, extent => Assert.Equal(RescueState.Sound, extent.State));
        Assert.True(rescue.IsLinuxGeometry);
        AssertContent(set, rescue);
    }

    [Theory]
    [MemberData(nameof(Damages))]
    public void Destroyed_structures_cost_nothing_where_the_rest_tells_them(string name, string damage)
    {
        GoldenSet set = GoldenSet.Load(name);
        using TestRegion region = set.OpenPmem(readOnly: false);
        foreach (string structure in damage.Split(", "))
        {
            Destroy(region, structure);
        }

        RescueImage rescue = CacheRescue.Open(region);
        Assert.False(rescue.IsSound);
        Assert.Equal(MediaConstants.LinuxSegmentSize, rescue.SegmentSizeBytes);
        Assert.DoesNotContain(rescue.Extents, extent => extent.IsDirty && extent.State != RescueState.Sound);
        AssertContent(set, rescue);
    }

    private static void AssertContent(GoldenSet set, RescueImage rescue)
    {
        using var backing = Disks.Make(set.CopyBacking());
        byte[] content = new byte[set.BackingBytes];
        List<RescueExtent> untrusted = [];
        Assert.Equal(content.Length, rescue.Read(0, content, backing, RescueFill.Stop, untrusted: untrusted));
        Assert.Empty(untrusted);
        AssertHash(set, "kernel_readback_sha256", content);
        RescueWriteback done = rescue.WriteBack(backing);
        Assert.Equal(0, done.SkippedBytes);
        AssertHash(set, "kernel_backing_after_drain_sha256", backing.Snapshot());
        rescue.WriteBack(backing);
        AssertHash(set, "kernel_backing_after_drain_sha256", backing.Snapshot());
    }

    private static void Destroy(TestRegion region, string structure)
    {
        void Fill(long offset, int length) => region.Bytes(offset, length).Fill(0xEE);
        switch (structure)
        {
            case "superblock":
                Fill(MediaConstants.SuperblockOffset, 4096);
                break;
            case "cache info":
                Fill(MediaConstants.CacheInfoOffset, 8192);
                break;
            case "key tail":
                Fill(MediaConstants.KeyTailOffset, 32);
                break;
            case "dirty tail":
                Fill(MediaConstants.DirtyTailOffset, 32);
                break;
            default:
                for (int segment = 0; segment < 31; segment++)
                {
                    long at = MediaConstants.SegmentsOffset + ((long)segment * MediaConstants.LinuxSegmentSize);
                    if (structure == "generations" && segment % 2 == 1)
                    {
                        Fill(at + MediaConstants.SegmentControlOffset, 32);
                    }
                    else if (structure == "segment infos" && segment % 3 == 1)
                    {
                        Fill(at, 8192);
                    }
                }

                break;
        }
    }

    private static void AssertHash(GoldenSet set, string what, byte[] bytes) =>
        Assert.Equal(set.Manifest.GetProperty(what).GetString(), Convert.ToHexStringLower(SHA256.HashData(bytes)));
}
