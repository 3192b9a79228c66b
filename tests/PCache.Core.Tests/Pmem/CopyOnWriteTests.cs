using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Pmem;

/// <summary>
/// A cache file on a file system that writes changes to new places, and is full: found by a call that fails, not by a
/// signal that ends the process; at the open, and at any store after it. What is dirty comes out all the same, and once
/// there is room all goes on.
/// </summary>
public sealed class CopyOnWriteTests
{
    private const int Megabyte = 1 << 20;

    [MountFact("mkfs.btrfs")]
    public void A_btrfs_that_fills_up_under_an_open_cache_fails_writes_and_flushes_and_loses_nothing_flushed()
    {
        using var mount = Mount.Made(120 * Megabyte, "mkfs.btrfs", "-q", "-f", "-M");
        using var elsewhere = new TempFolder();
        string backing = elsewhere.CreateFile("back", 16 * Megabyte);
        byte[] data = new byte[Megabyte];
        new Random(2).NextBytes(data);
        MakePlain(mount["c"]);
        using (PCacheStream stream = PCacheStream.OpenOrCreate(mount["c"], 8 * Megabyte, backing,
            Small with { StartWritebackPaused = true }))
        {
            stream.Write(data);
            stream.Flush();
            Settle(mount);
            mount.Fill();
            Assert.ThrowsAny<IOException>(() =>
            {
                for (int i = 0; i < 64; i++)
                {
                    stream.Position = (2 + (i % 4)) * Megabyte;
                    stream.Write(new byte[64 << 10]);
                    stream.Flush();
                }
            });
            byte[] found = new byte[Megabyte];
            stream.Position = 0;
            stream.ReadExactly(found);
            Assert.Equal(data, found);
            mount.Empty();
            stream.Position = 8 * Megabyte;
            stream.Write(data);
            stream.Flush();
        }

        using PCacheStream again = PCacheStream.Open(mount["c"], backing);
        foreach (int at in (int[])[0, 8 * Megabyte])
        {
            byte[] found = new byte[Megabyte];
            again.Position = at;
            again.ReadExactly(found);
            Assert.Equal(data, found);
        }
    }

    [MountFact("mkfs.btrfs")]
    public void A_new_cache_file_on_btrfs_is_changed_in_place_and_works_on_when_the_disk_is_full()
    {
        using var mount = Mount.Made(120 * Megabyte, "mkfs.btrfs", "-q", "-f", "-M");
        using var elsewhere = new TempFolder();
        string backing = elsewhere.CreateFile("back", 16 * Megabyte);
        byte[] data = new byte[Megabyte];
        new Random(3).NextBytes(data);
        using PCacheStream stream = PCacheStream.OpenOrCreate(mount["c"], 8 * Megabyte, backing, Small,
            new PmemFileOptions { PowerSafe = true });
        stream.Write(data);
        stream.Flush();
        mount.Fill();
        for (int i = 0; i < 8; i++)
        {
            stream.Position = i * Megabyte;
            stream.Write(data);
            stream.Flush();
        }

        stream.Cache!.Drain();
        stream.Dispose();
        Assert.Equal(data, File.ReadAllBytes(backing)[(7 * Megabyte)..(8 * Megabyte)]);
    }

    [MountFact("mkfs.xfs")]
    public void A_shared_cache_file_on_a_full_xfs_is_refused_before_anything_is_stored()
    {
        using var mount = Mount.Made(400L * Megabyte, "mkfs.xfs", "-q", "-f", "-m", "reflink=1");
        using var elsewhere = new TempFolder();
        string backing = elsewhere.CreateFile("back", 16 * Megabyte);
        using (PCacheStream stream = PCacheStream.OpenOrCreate(mount["c"], 8 * Megabyte, backing, Small))
        {
            stream.Write(new byte[Megabyte]);
        }

        Assert.NotNull(LoopDeviceFactAttribute.Run("cp", "--reflink=always", mount["c"], mount["copy"]));
        mount.Fill();
        IOException e = Assert.ThrowsAny<IOException>(() => PCacheStream.Open(mount["c"], backing).Dispose());
        Assert.Contains("writeback --rescue", e.Message, StringComparison.Ordinal);
        mount.Empty();
        using PCacheStream again = PCacheStream.Open(mount["c"], backing);
        again.Write(new byte[512]);
    }

    private static PCacheOptions Small => new() { SegmentSizeBytes = 64 << 10, PayloadCrc = true };

    /// <summary>
    /// A file as versions before, or other programs, have made it: one whose changes go to new places.
    /// </summary>
    private static void MakePlain(string cache) => File.WriteAllBytes(cache, new byte[8 * Megabyte]);

    /// <summary>All is on the disk, so that the next change of any page needs a new place.</summary>
    private static void Settle(Mount mount) => LoopDeviceFactAttribute.Run("sync", "-f", mount.Folder);
}

/// <summary>A region whose stores are system calls behaves as every region.</summary>
public sealed class DescriptorStoreRegionTests : PmemRegionContract
{
    private readonly TempFolder _folder = new();

    protected override Persistence Persistence => Persistence.PageCache;

    protected override bool IsPowerSafe => true;

    protected override bool DrainIsCheap => false;

    [LinuxFact]
    public void A_store_that_finds_no_room_is_an_exception_that_names_the_way_out()
    {
        // A descriptor that takes no byte, as a full disk does, behind a mapping that can be read.
        using Microsoft.Win32.SafeHandles.SafeFileHandle readable = File.OpenHandle(_folder.CreateFile("f", 8192));
        Microsoft.Win32.SafeHandles.SafeFileHandle full =
            File.OpenHandle("/dev/full", FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using var region = new DescriptorStoreRegion(full,
            FileMapping.Map(readable, 8192, readOnly: true, synchronous: false), 8192, new PmemFileOptions(),
            "/cache\n");
        foreach (Action store in (Action[])[() => region.Write(0, new byte[512]),
            () => region.WriteWithCrc(0, new byte[512], 0), () => region.WriteZeros(0, 8192)])
        {
            IOException e = Assert.Throws<IOException>(store);
            Assert.Equal(28, e.HResult);
            Assert.Contains("'/cache\\n'", e.Message, StringComparison.Ordinal);
            Assert.Contains("writeback --rescue", e.Message, StringComparison.Ordinal);
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _folder.Dispose();
    }

    protected override PmemRegion Create()
    {
        Microsoft.Win32.SafeHandles.SafeFileHandle file =
            File.OpenHandle(_folder[Guid.NewGuid().ToString()], FileMode.CreateNew, FileAccess.ReadWrite);
        RandomAccess.SetLength(file, Length);
        return new DescriptorStoreRegion(file, FileMapping.Map(file, Length, readOnly: false, synchronous: false),
            Length, new PmemFileOptions { PowerSafe = true });
    }
}

/// <summary>Runs on Linux.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LinuxFactAttribute : FactAttribute
{
    public LinuxFactAttribute()
    {
        if (!OperatingSystem.IsLinux())
        {
            Skip = "Needs Linux.";
        }
    }
}
