using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Pmem;

/// <summary>
/// A cache in memory that is larger than what there is of it is refused, with both figures, before any of it is taken:
/// no process is killed for it.
/// </summary>
public sealed class MemoryRoomTests
{
    [MountFact("mount")]
    public void A_file_larger_than_its_tmpfs_is_refused()
    {
        using var mount = Mount.Of("tmpfs", "-o", "size=8m");
        PCacheException e = Assert.ThrowsAny<PCacheException>(() => PmemFile.Create(mount["c"], 12 << 20));
        Assert.Contains("tmpfs", e.Message, StringComparison.Ordinal);
        Assert.Contains("12 MiB", e.Message, StringComparison.Ordinal);
        Assert.Contains("8 MiB", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(mount.Folder));
        File.WriteAllBytes(mount["c"], []);
        Assert.ThrowsAny<PCacheException>(() => PmemFile.OpenOrCreate(mount["c"], 12 << 20));
        Assert.Equal(0, new FileInfo(mount["c"]).Length);

        // What has its memory already asks for none.
        using (PmemFile.OpenOrCreate(mount["c"], 6 << 20))
        {
        }

        using PmemRegion again = PmemFile.Open(mount["c"]);
        Assert.Equal(6 << 20, again.LengthBytes);
    }

    [MountFact("mount")]
    public void A_file_larger_than_the_machine_is_refused_on_a_ramfs_that_has_no_limit()
    {
        using var mount = Mount.Of("ramfs");
        long machine = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        PCacheException e = Assert.ThrowsAny<PCacheException>(() => PmemFile.Create(mount["c"], machine * 4));
        Assert.Contains("ramfs", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(mount.Folder));
        using PmemRegion small = PmemFile.Create(mount["c"], 1 << 20);
        small.Write(0, [1]);
    }
}
