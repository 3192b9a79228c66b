namespace PCache.Tool.Tests;

/// <summary>
/// A cache file on a file system that writes changes to new places, and is full: the commands get out what is dirty.
/// </summary>
public sealed class FullBtrfsTests
{
    private const int Megabyte = 1 << 20;

    private static PCacheOptions Small => new() { SegmentSizeBytes = 64 << 10, PayloadCrc = true };

    [MountFact("mkfs.btrfs")]
    public void A_cache_on_a_full_btrfs_refuses_writers_names_the_way_out_and_loses_nothing()
    {
        using var mount = Mount.Made(120 * Megabyte, "mkfs.btrfs", "-q", "-f", "-M");
        using var elsewhere = new TempFolder();
        string cache = mount["c"];
        string backing = elsewhere.CreateFile("back", 16 * Megabyte);
        byte[] data = new byte[Megabyte];
        new Random(1).NextBytes(data);

        // A file as versions before, or other programs, have made it: one whose changes go to new places.
        File.WriteAllBytes(cache, new byte[8 * Megabyte]);
        using (PCacheStream stream = PCacheStream.OpenOrCreate(cache, 8 * Megabyte, backing, Small))
        {
            stream.Write(data);
        }

        // All is on the disk, so that the next change of any page needs a new place.
        LoopDeviceFactAttribute.Run("sync", "-f", mount.Folder);
        mount.Fill();
        byte[] before = File.ReadAllBytes(cache);
        IOException e = Assert.ThrowsAny<IOException>(() => PCacheStream.Open(cache, backing).Dispose());
        Assert.Contains("writeback --rescue", e.Message, StringComparison.Ordinal);
        Assert.Contains("export", e.Message, StringComparison.Ordinal);
        ToolRun.Run("writeback", cache, backing).ExpectError(3, "export");
        ToolRun.Run("export", cache, "--output", elsewhere["out"]).Expect(0);
        Assert.Equal(data, File.ReadAllBytes(elsewhere["out"])[..Megabyte]);
        Assert.Equal(before, File.ReadAllBytes(cache));
        ToolRun.Run("writeback", "--rescue", cache, backing).Expect(0);
        Assert.Equal(data, File.ReadAllBytes(backing)[..Megabyte]);

        mount.Empty();
        using PCacheStream again = PCacheStream.Open(cache, backing, new PCacheOptions { RebindBacking = true });
        byte[] found = new byte[Megabyte];
        again.ReadExactly(found);
        Assert.Equal(data, found);
    }
}
