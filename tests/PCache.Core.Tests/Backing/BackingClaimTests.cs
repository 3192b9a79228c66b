using System.Diagnostics;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Backing;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Backing;

/// <summary>
/// A backing is one writable cache's: files and block devices against everybody, streams and devices within the
/// process.
/// </summary>
public sealed class BackingClaimTests : IDisposable
{
    private static readonly PCacheOptions Small =
        new() { SegmentSizeBytes = Rig.SegmentBytes, Maintenance = MaintenanceMode.Manual };

    private readonly TempFolder _folder = new();
    private readonly string _path;

    public BackingClaimTests() => _path = _folder.CreateFile("backing", 1 << 20);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_is_written_by_one_device_at_a_time()
    {
        using (IBlockDevice first = BlockDevice.OpenFile(_path))
        {
            AssertInUse(() => BlockDevice.OpenFile(_path));
            AssertInUse(() => BlockDevice.OpenFile(_path, FileAccess.Read));
            Assert.ThrowsAny<IOException>(() =>
                new FileStream(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.None));
        }

        using IBlockDevice second = BlockDevice.OpenFile(_path);
        second.Write(0, new byte[512]);
    }

    [Fact]
    public void Readers_share_and_keep_writers_out()
    {
        using (IBlockDevice one = BlockDevice.OpenFile(_path, FileAccess.Read))
        using (IBlockDevice two = BlockDevice.OpenFile(_path, FileAccess.Read))
        using (IBlockDevice three = BlockDevice.FromStream(File.OpenRead(_path)))
        {
            AssertInUse(() => BlockDevice.OpenFile(_path));
        }

        BlockDevice.OpenFile(_path).Dispose();
    }

    [Fact]
    public void Another_name_of_the_file_is_the_same_file()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        File.CreateSymbolicLink(_folder["link"], _path);
        using IBlockDevice first = BlockDevice.OpenFile(_path);
        AssertInUse(() => BlockDevice.OpenFile(_folder["link"]));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Streams_over_one_file_are_one_owner_at_a_time_and_get_their_own_lock_back(bool isDerived)
    {
        if (OperatingSystem.IsWindows())
        {
            return; // there the share mode decides
        }

        using FileStream mine = isDerived ? new Derived(_path)
            : new FileStream(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        using (IBlockDevice device = BlockDevice.FromStream(mine, leaveOpen: true))
        {
            Assert.ThrowsAny<IOException>(() => File.OpenRead(_path));
        }

        using (FileStream other = new(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            AssertInUse(() => BlockDevice.FromStream(mine, leaveOpen: true));
            AssertInUse(() => BlockDevice.FromStream(other));
            Assert.True(other.CanRead);
        }

        BlockDevice.FromStream(mine, leaveOpen: true).Dispose();
    }

    [Fact]
    public void A_stream_that_shares_with_no_other_still_does_afterwards()
    {
        using FileStream mine = new(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        BlockDevice.FromStream(mine, leaveOpen: true).Dispose();
        Assert.ThrowsAny<IOException>(() => File.OpenRead(_path));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_cache_over_a_stream_gives_the_claim_back_also_when_it_is_left_open_or_fails_to_open(bool fails)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        using FileStream mine = new(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(8));
        if (fails)
        {
            Assert.ThrowsAny<IOException>(() => PCacheDevice.Open(region, mine, Small));
        }
        else
        {
            PCacheDevice.Create(region, mine, Small with { LeaveBackingOpen = true }).Dispose();
        }

        File.OpenRead(_path).Dispose();
        Assert.True(mine.CanWrite);
    }

    [Fact]
    public void Who_knows_that_others_keep_away_may_share()
    {
        var sharing = new FileBackingOptions { AllowSharing = true };
        using IBlockDevice first = BlockDevice.OpenFile(_path, options: sharing);
        using IBlockDevice second = BlockDevice.OpenFile(_path, options: sharing);
        second.Write(0, [1]);
    }

    [Fact]
    public void Another_process_is_named()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using Process other = Process.Start(
            new ProcessStartInfo("flock",
            ["-x", _path, "-c", "echo locked; exec sleep 60"])
            { RedirectStandardOutput = true })!;
        try
        {
            Assert.Equal("locked", other.StandardOutput.ReadLine());
            AssertInUse(() => BlockDevice.OpenFile(_path), "process ");
        }
        finally
        {
            other.Kill(entireProcessTree: true);
            other.WaitForExit();
        }
    }

    [Fact]
    public void A_stream_is_behind_one_cache_at_a_time()
    {
        using var stream = new MemoryStream(new byte[1 << 20]);
        using (PCacheDevice first = PCacheDevice.Create(PmemMemory.Allocate(Rig.RegionLength(8)), stream,
            Small with { LeaveBackingOpen = true }))
        {
            using PmemRegion other = PmemMemory.Allocate(Rig.RegionLength(8));
            AssertInUse(() => PCacheDevice.Create(other, stream, Small));
            AssertInUse(() => PCacheDevice.Create(other, BlockDevice.FromStream(stream, leaveOpen: true), Small));
        }

        PCacheDevice.Create(PmemMemory.Allocate(Rig.RegionLength(8)), stream, Small).Dispose();
    }

    [Fact]
    public void A_device_is_behind_one_writable_cache_at_a_time()
    {
        using IBlockDevice backing = BlockDevice.OpenFile(_path);
        PCacheOptions options = Small with { LeaveBackingOpen = true };
        using PmemRegion other = PmemMemory.Allocate(Rig.RegionLength(8));
        using (PCacheDevice first = PCacheDevice.Create(PmemMemory.Allocate(Rig.RegionLength(8)), backing, options))
        {
            AssertInUse(() => PCacheDevice.Create(other, backing, options));
        }

        // refused, it has no claim either
        Assert.Throws<PCacheNotFormattedException>(() => PCacheDevice.Open(other, backing, options));
        PCacheDevice.Create(other, backing, options with { LeaveRegionOpen = true }).Dispose();
        using PCacheDevice reader = PCacheDevice.Open(other, backing,
            options with { ReadOnly = true, LeaveRegionOpen = true });
        using PCacheDevice second = PCacheDevice.Open(other, backing,
            options with { ReadOnly = true, LeaveRegionOpen = true });
    }

    [Fact]
    public void A_block_device_is_one_writers_and_no_ones_while_it_is_mounted()
    {
        using LoopDevice? disk = LoopDevice.TryAttach(_path);
        if (disk is null)
        {
            return; // the machine gives none
        }

        using (IBlockDevice first = BlockDevice.OpenFile(disk.Path))
        {
            AssertInUse(() => BlockDevice.OpenFile(disk.Path));
            Assert.False(LoopDevice.Run("mkfs.ext4", out _, "-q", "-F", disk.Path)); // it asks for the device alone too
        }

        if (LoopDevice.Run("mkfs.ext4", out _, "-q", "-F", disk.Path)
            && Directory.CreateDirectory(_folder["mount"]).Exists
            && LoopDevice.Run("mount", out _, disk.Path, _folder["mount"]))
        {
            try
            {
                Assert.Contains("mounted on",
                    Assert.Throws<PCacheInUseException>(() => BlockDevice.OpenFile(disk.Path)).Message,
                    StringComparison.Ordinal);
                using var stream = new FileStream(disk.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
                Assert.Throws<PCacheInUseException>(() => BlockDevice.FromStream(stream, leaveOpen: true));
                BlockDevice.OpenFile(disk.Path, FileAccess.Read).Dispose();
                BlockDevice.OpenFile(disk.Path, options: new FileBackingOptions { AllowSharing = true }).Dispose();
            }
            finally
            {
                LoopDevice.Run("umount", out _, _folder["mount"]);
            }
        }

        BlockDevice.OpenFile(disk.Path).Dispose();
    }

    [Theory]
    [InlineData("/dev/null")]
    [InlineData("/dev/zero")]
    [InlineData("/dev/full")]
    public void What_is_no_storage_is_refused(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        Assert.Contains("character device", Assert.Throws<IOException>(() => BlockDevice.OpenFile(path)).Message,
            StringComparison.Ordinal);
        using var stream = new FileStream(path, FileMode.Open, FileAccess.ReadWrite);
        Assert.Contains("character device",
            Assert.Throws<ArgumentException>(() => BlockDevice.FromStream(stream, leaveOpen: true)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pipe_is_refused_without_waiting_for_its_other_end()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        string pipe = _folder["pipe"];
        using (Process make = Process.Start("mkfifo", pipe))
        {
            make.WaitForExit();
        }

        await Eventually.Completes(Task.Run(
            () => Assert.Contains("pipe",
            Assert.Throws<IOException>(() => BlockDevice.OpenFile(pipe, FileAccess.Read)).Message,
            StringComparison.Ordinal)), "the refusal");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_lock_that_cant_be_had_refuses_unless_there_is_consent(bool writes)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using SafeFileHandle unlockable = new(0x7FFF_0000, ownsHandle: false); // the system has no lock for it
        PCacheException error = Assert.Throws<PCacheException>(() =>
            FileClaim.Take(unlockable, null, "The backing", writes, isForeign: false, new FileBackingOptions()));
        Assert.Contains("AllowWithoutLock", error.Message, StringComparison.Ordinal);
        Assert.Contains("error 9", error.Message, StringComparison.Ordinal);
        FileClaim.Take(unlockable, null, "The backing", writes, isForeign: false,
            new FileBackingOptions { AllowWithoutLock = true })!.GiveBack(staysOpen: true);
    }

    private static void AssertInUse(Func<object> open, string? named = "this process")
    {
        PCacheInUseException error = Assert.Throws<PCacheInUseException>(open);
        if (OperatingSystem.IsLinux() && error.Message.Contains("The backing \"", StringComparison.Ordinal))
        {
            Assert.Contains(named!, error.Message, StringComparison.Ordinal);
        }
    }

    private sealed class Derived(string path)
        : FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
}
