using System.Security.Cryptography;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>
/// Images that Linux wrote: read as Linux read them, written back as Linux wrote them back, and taken over for new
/// work.
/// </summary>
public sealed class GoldenTests
{
    public static TheoryData<string> Sets() => [.. GoldenSet.Names];

    [Theory]
    [MemberData(nameof(Sets))]
    public void Read_only_gives_what_linux_read_and_changes_neither_file(string name)
    {
        GoldenSet set = GoldenSet.Load(name);
        using var folder = new TempFolder();
        set.WritePmem(folder["pmem"]);
        File.WriteAllBytes(folder["backing"], set.CopyBacking());
        using (PCacheDevice device = PCacheDevice.Open(
            PmemFile.Open(folder["pmem"], new PmemFileOptions { ReadOnly = true }),
            BlockDevice.OpenFile(folder["backing"], FileAccess.Read),
            new PCacheOptions { ReadOnly = true }))
        {
            Assert.Equal(set.BackingBytes, device.Length);
            AssertHash(set, "kernel_readback_sha256", Rig.ReadAll(device));
            AssertHash(set, "kernel_readback_sha256", Rig.ReadAll(device));
            Assert.True(device.GetStatus().IsLinuxGeometry);
            Assert.Equal(Guid.Empty, device.GetStatus().CacheId);
        }

        using FileStream pmem = File.OpenRead(folder["pmem"]);
        Assert.Equal(set.Manifest.GetProperty("pmem_sha256").GetString(),
            Convert.ToHexStringLower(SHA256.HashData(pmem)));
        Rig.AssertSame(set.Backing.Span, File.ReadAllBytes(folder["backing"]), "the backing");
    }

    [Theory]
    [MemberData(nameof(Sets))]
    public void A_writable_open_writes_back_what_linux_wrote_back_and_goes_on(string name)
    {
        GoldenSet set = GoldenSet.Load(name);
        using TestRegion region = set.OpenPmem(readOnly: false);
        var backing = Disks.Make(set.CopyBacking());
        var options = new PCacheOptions { LeaveRegionOpen = true, LeaveBackingOpen = true };
        using PCacheDevice device = PCacheDevice.Open(region, backing, options);
        AssertHash(set, "kernel_readback_sha256", Rig.ReadAll(device));
        device.Drain();
        Assert.True(device.GetStatus().IsClean);
        AssertHash(set, "kernel_backing_after_drain_sha256", backing.Snapshot());
        AssertHash(set, "kernel_readback_sha256", Rig.ReadAll(device));

        if (device.Recovery.DeadKeys > 0)
        {
            // Linux checks the payload of dead keys too, and then gives the image up: they have to leave the log.
            LogPosition end = device.Recovery.KeyHead;
            Eventually.True(() => device.GetStatus().KeyTail is var tail
                && (tail.Segment != end.Segment || tail.Offset >= end.Offset), "dead keys to leave the log");
        }

        byte[] model = backing.Snapshot();
        var random = new Random(9);
        for (int i = 0; i < 200; i++)
        {
            int at = random.Next(model.Length - 70_000);
            var bytes = new byte[random.Next(1, 70_000)];
            random.NextBytes(bytes);
            device.Write(at, bytes);
            bytes.CopyTo(model, at);
        }

        device.Flush();
        using TestRegion copy = Copy(region);
        ImageChecks.AssertSound(copy, linux: true);
        using (PCacheDevice killed = PCacheDevice.Open(copy, Disks.Make(backing.Snapshot()), options))
        {
            Rig.AssertSame(model, Rig.ReadAll(killed), "after a kill");
            killed.Drain();
            Rig.AssertSame(model, Rig.ReadAll(killed), "after a kill and a drain");
        }

        ImageChecks.AssertSound(copy, linux: true);
        device.Drain();
        Rig.AssertSame(model, backing.Snapshot(), "on the backing");
    }

    private static TestRegion Copy(TestRegion region)
    {
        TestRegion copy = TestRegion.Create(region.LengthBytes);
        for (long at = 0; at < region.LengthBytes; at += 65536)
        {
            Span<byte> bytes = region.Bytes(at, (int)Math.Min(65536, region.LengthBytes - at));
            if (bytes.ContainsAnyExcept((byte)0))
            {
                bytes.CopyTo(copy.Bytes(at, bytes.Length));
            }
        }

        return copy;
    }

    private static void AssertHash(GoldenSet set, string what, byte[] bytes) =>
        Assert.Equal(set.Manifest.GetProperty(what).GetString(), Convert.ToHexStringLower(SHA256.HashData(bytes)));
}
