using Microsoft.Win32.SafeHandles;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Errors;

/// <summary>
/// A backing or cache file that is no longer the one under its name: found by drain, flush and close, told, and nothing
/// dirty goes where no program finds it.
/// </summary>
public sealed class ReplacedFileTests : IDisposable
{
    private const int Length = 1 << 20;

    private readonly TempFolder _folder = new();
    private readonly VirtualClock _clock = new();

    public ReplacedFileTests()
    {
        File.WriteAllBytes(Backing, Bytes(1));
    }

    public enum Way
    {
        RenamedOver,
        Deleted,
        RenamedAway,
        DeletedAndMadeAnew,
    }

    private string Backing => _folder["backing"];

    public static TheoryData<Way> Ways => [Way.RenamedOver, Way.Deleted, Way.RenamedAway, Way.DeletedAndMadeAnew];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Ways))]
    public void Nothing_is_written_to_a_backing_that_lost_its_name(Way way)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using PCacheDevice device = Open();
        device.Write(4096, new byte[4096]);
        Change(Backing, way);
        PCacheStorageChangedException error = Assert.Throws<PCacheStorageChangedException>(() => device.Drain());
        Assert.Equal(way is Way.RenamedOver or Way.DeletedAndMadeAnew ? StorageChange.Replaced
            : StorageChange.Removed, error.Change);
        Assert.Equal(Backing, error.Path);
        Assert.False(error.IsCacheFile);
        Assert.Contains(Backing, error.Message, StringComparison.Ordinal);
        device.ResumeWriteback();
        for (int i = 0; i < 20; i++)
        {
            device.RunMaintenanceStep();
            _clock.Advance(TimeSpan.FromSeconds(1));
        }

        Assert.Equal(4096, device.GetStatus().DirtyBytes);
        Assert.True(device.State.Degradation.HasFlag(Degradations.BackingChanged));
        Assert.Throws<PCacheStorageChangedException>(device.Dispose);
    }

    [Fact]
    public void All_goes_on_when_the_file_has_its_name_back()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using PCacheDevice device = Open();
        device.Write(4096, Bytes(9).AsSpan(0, 4096));
        File.Move(Backing, _folder["aside"]);
        Assert.Throws<PCacheStorageChangedException>(() => device.Drain());
        File.Move(_folder["aside"], Backing);
        device.Drain();
        Assert.Equal(PCacheCondition.Clean, device.State.Condition);
        device.Dispose();
        Assert.Equal(Bytes(9)[..4096], File.ReadAllBytes(Backing)[4096..8192]);
    }

    [Fact]
    public void A_link_that_leads_elsewhere_now_is_a_replacement()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        string link = _folder["link"];
        File.CreateSymbolicLink(link, Backing);
        using PCacheDevice device = Open(BlockDevice.OpenFile(link));
        File.WriteAllBytes(_folder["other"], Bytes(2));
        File.Delete(link);
        File.CreateSymbolicLink(link, _folder["other"]);
        Assert.Equal(StorageChange.Replaced, Assert.Throws<PCacheStorageChangedException>(() => device.Drain()).Change);
        Assert.Throws<PCacheStorageChangedException>(device.Dispose);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_file_without_a_name_is_watched_by_its_last_name_only(bool deletedFirst)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using SafeFileHandle opened = File.OpenHandle(Backing, FileMode.Open, FileAccess.ReadWrite);
        var handle = new SafeFileHandle(opened.DangerousGetHandle(), ownsHandle: false); // as from elsewhere: a number
        if (deletedFirst)
        {
            File.Delete(Backing); // on purpose
        }

        using PCacheDevice device = Open(BlockDevice.FromStream(new FileStream(handle, FileAccess.ReadWrite)));
        device.Write(0, new byte[512]);
        device.Drain();
        if (!deletedFirst)
        {
            File.Move(Backing, _folder["aside"]);
            device.Drain();
            File.Delete(_folder["aside"]);
            Assert.Equal(StorageChange.Removed,
                Assert.Throws<PCacheStorageChangedException>(() => device.Drain()).Change);
            Assert.Throws<PCacheStorageChangedException>(device.Dispose);
        }
    }

    [Fact]
    public void Who_does_not_want_the_name_watched_is_not_told()
    {
        using PCacheDevice device = Open(
            BlockDevice.OpenFile(Backing, options: new FileBackingOptions { WatchName = false }));
        device.Write(0, new byte[512]);
        if (!OperatingSystem.IsWindows())
        {
            File.Delete(Backing);
        }

        device.Drain();
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public void A_cache_file_that_lost_its_name_is_told_after_the_drain_has_saved_all(Way way)
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        string cache = _folder["cache"];
        using PCacheDevice device = PCacheDevice.Create(PmemFile.Create(cache, Rig.RegionLength(8)),
            BlockDevice.OpenFile(Backing), Options());
        device.Write(4096, Bytes(9).AsSpan(0, 4096));
        Change(cache, way);
        PCacheStorageChangedException error = Assert.Throws<PCacheStorageChangedException>(() => device.Drain());
        Assert.True(error.IsCacheFile);
        Assert.Equal(cache, error.Path);
        Assert.True(device.GetStatus().IsClean);
        Assert.True(device.State.Degradation.HasFlag(Degradations.CacheFileChanged));
        Assert.Throws<PCacheStorageChangedException>(device.Dispose);
        Assert.Equal(Bytes(9)[..4096], File.ReadAllBytes(Backing)[4096..8192]);
    }

    [Fact]
    public void A_flush_brings_it_to_light_within_seconds()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        using PCacheDevice device = Open(
            options: Options() with { Maintenance = MaintenanceMode.OwnThread, TimeProvider = TimeProvider.System });
        using var told = new ManualResetEventSlim();
        device.StateChanged += (_, e) =>
        {
            if (e.Current.Degradation.HasFlag(Degradations.BackingChanged))
            {
                told.Set();
            }
        };
        File.Delete(Backing);
        for (int i = 0; i < 100 && !told.IsSet; i++)
        {
            device.Write(0, new byte[512]);
            device.Flush();
            told.Wait(100);
        }

        Assert.True(told.IsSet);
        Assert.Throws<PCacheStorageChangedException>(device.Dispose);
    }

    private static byte[] Bytes(int seed)
    {
        var bytes = new byte[Length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private void Change(string path, Way way)
    {
        switch (way)
        {
            case Way.RenamedOver:
                File.WriteAllBytes(_folder["new"], Bytes(3));
                File.Move(_folder["new"], path, overwrite: true);
                break;
            case Way.RenamedAway:
                File.Move(path, _folder["away"]);
                break;
            default:
                File.Delete(path);
                if (way == Way.DeletedAndMadeAnew)
                {
                    File.WriteAllBytes(path, Bytes(3));
                }

                break;
        }
    }

    private PCacheOptions Options() => new()
    {
        SegmentSizeBytes = Rig.SegmentBytes,
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = _clock,
        StartWritebackPaused = true,
    };

    private PCacheDevice Open(IBlockDevice? backing = null, PCacheOptions? options = null) =>
        PCacheDevice.Create(SimulatedPmem.Allocate(Rig.RegionLength(8)), backing
            ?? BlockDevice.OpenFile(Backing), options ?? Options());
}
