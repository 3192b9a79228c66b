using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Backing;

/// <summary>
/// Blocks of a backing file: discards give them back, growth takes them where that is asked for, and neither changes
/// what is read otherwise.
/// </summary>
public sealed class FileRoomTests : IDisposable
{
    private const int Length = 1 << 20;

    private readonly TempFolder _folder = new();
    private readonly string _path;

    public FileRoomTests()
    {
        _path = _folder["backing"];
        var bytes = new byte[Length];
        bytes.AsSpan().Fill(7);
        File.WriteAllBytes(_path, bytes);
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_discard_gives_the_space_back(bool punches)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using (IBlockDevice device = BlockDevice.OpenFile(_path,
            options: new FileBackingOptions { PunchHoles = punches }))
        {
            Assert.Equal(punches, device.CanDiscard);
            device.Discard(64 << 10, 512 << 10);
            Assert.Equal(Length, device.Length);
            device.Discard(Length - 4096, 1 << 30); // beyond the end nothing happens
            Assert.Equal(Length, device.Length);
        }

        Assert.Equal(punches, HoleAt(64 << 10));
        byte[] now = File.ReadAllBytes(_path);
        Assert.Equal(7, now[(64 << 10) - 1]);
        Assert.Equal(7, now[576 << 10]);
        Assert.Equal(punches ? 0 : 7, now[100 << 10]);
    }

    [Fact]
    public void Zeros_are_a_hole_and_lengthen_the_file_as_zeros_do()
    {
        using (IBlockDevice device = BlockDevice.OpenFile(_path))
        {
            device.WriteZeroes(Length - 8192, 16384);
            Assert.Equal(Length + 8192, device.Length);
            device.WriteZeroes(100, 5);
        }

        byte[] now = File.ReadAllBytes(_path);
        Assert.Equal(Length + 8192, now.Length);
        Assert.Equal(7, now[Length - 8193]);
        Assert.False(now.AsSpan(Length - 8192).ContainsAnyExcept((byte)0));
        Assert.Equal([7, 0, 0, 0, 0, 0, 7], now[99..106]);
    }

    [Fact]
    public void What_is_discarded_through_a_cache_gives_the_backing_its_space_back()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        var clock = new VirtualClock();
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = clock
        };
        using (PCacheDevice device = PCacheDevice.Create(PmemMemory.Allocate(Rig.RegionLength(8)),
            BlockDevice.OpenFile(_path), options))
        {
            device.Write(64 << 10, new byte[4096]);
            device.Discard(64 << 10, 512 << 10);
            device.Drain();
            for (int i = 0; i < 100 && device.RunMaintenanceStep() == TimeSpan.Zero; i++)
            {
            }
        }

        Assert.True(HoleAt(64 << 10));
    }

    [Fact]
    public void Growth_takes_its_blocks_where_asked_for()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using (IBlockDevice device = BlockDevice.OpenFile(_path,
            options: new FileBackingOptions { AllocateGrowth = true }))
        {
            Assert.False(device.CanDiscard); // or the room would go again
            device.SetLength(2 * Length);
            Assert.Equal(2 * Length, device.Length);
            device.SetLength(Length);
            device.SetLength(Length + 100);
        }

        byte[] now = File.ReadAllBytes(_path);
        Assert.Equal(Length + 100, now.Length);
        Assert.False(now.AsSpan(Length).ContainsAnyExcept((byte)0));
    }

    [Fact]
    public void A_full_disk_is_the_error_of_write_back_and_nothing_is_lost()
    {
        if (!OperatingSystem.IsLinux() || !Environment.IsPrivilegedProcess)
        {
            return; // it takes a file system of its own
        }

        using var disk = TinyFileSystem.TryMount(_folder["disk"], 1 << 20);
        if (disk is null)
        {
            return; // not allowed here
        }

        string path = Path.Combine(disk.Path, "backing");
        File.WriteAllBytes(path, new byte[4096]);
        var options = new PCacheOptions { SegmentSizeBytes = Rig.SegmentBytes, Maintenance = MaintenanceMode.Manual };
        var growing = new FileBackingOptions { AllocateGrowth = true };
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        byte[] data = Patterns.Make(4 << 20, 4096, 1);
        using (PCacheDevice device = PCacheDevice.Create(
            region, BlockDevice.OpenFile(path, options: growing), options with { LeaveRegionOpen = true }))
        {
            device.Write(4096, new byte[100 << 10]);
            device.Drain();
            device.Write(4 << 20, data);
            device.Flush();
            Assert.ThrowsAny<IOException>(() => device.Drain());
            Assert.Equal(4096 + (100 << 10), new FileInfo(path).Length);
        }

        using PCacheDevice again = PCacheDevice.Open(region, BlockDevice.OpenFile(path, options: growing), options);
        Assert.Equal((4 << 20) + 4096, again.Length);
        byte[] found = new byte[4096];
        again.Read(4 << 20, found);
        Assert.Equal(data, found);
    }

    private bool HoleAt(long offset)
    {
        using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(_path);
        return UnixNative.Seek(file, offset, UnixNative.LinuxSeekHole) == offset;
    }
}
