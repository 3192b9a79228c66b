using PCache.Core.Pmem;

namespace PCache.Core.Tests.Support;

public enum RegionKind
{
    Memory,
    PageCache,
    PowerSafe,
    Assumed,
}

public enum BackingKind
{
    Memory,
    FileStream,
    MemoryStream,
    Block4096,
    OddLength,
}

/// <summary>
/// A cache with its region and backing, that can be closed, opened again, and "killed" (copied while in use). Keeps
/// true: region and backing outlive the devices over them, and go with the rig.
/// </summary>
internal sealed class Rig : IDisposable
{
    public const int SegmentBytes = 64 << 10;

    private readonly List<IDisposable> _owned = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("pcache-test-").FullName;
    private readonly RegionKind _regionKind;
    private readonly Stream? _stream;
    private PmemRegion? _region;

    public Rig(RegionKind regionKind, BackingKind backingKind, int segments = 16, long backingBytes =
        1 << 20, PCacheOptions? options = null, bool crc = true)
    {
        _regionKind = regionKind;
        RegionBytes = RegionLength(segments);
        Options = (options ?? new PCacheOptions()) with
        {
            SegmentSizeBytes = SegmentBytes,
            PayloadCrc = crc,
            LeaveBackingOpen = true,
            LeaveRegionOpen = regionKind == RegionKind.Memory,
        };
        switch (backingKind)
        {
            case BackingKind.FileStream:
                _stream = new FileStream(Path.Combine(_folder, "backing"), FileMode.CreateNew, FileAccess.ReadWrite,
                    FileShare.ReadWrite, 1);
                _stream.SetLength(backingBytes);
                break;
            case BackingKind.MemoryStream:
                _stream = new MemoryStream();
                _stream.SetLength(backingBytes);
                break;
            default:
                Scripted = backingKind switch
                {
                    BackingKind.Block4096 => Disks.Make(backingBytes, blockSize: 4096),
                    BackingKind.OddLength => Disks.Make(backingBytes + 100, blockSize: 1, canResize: true),
                    _ => Disks.Make(backingBytes, canResize: true),
                };
                break;
        }

        Device = PCacheDevice.Create(Region(), Backing(), Options);
    }

    public long RegionBytes { get; }

    public PCacheOptions Options { get; set; }

    public PCacheDevice Device { get; private set; }

    /// <summary>The backing, where it is one of ours.</summary>
    public SimulatedDisk? Scripted { get; }

    public static long RegionLength(int segments, int segmentBytes = SegmentBytes) =>
        20480 + ((long)segments * segmentBytes);

    /// <summary>The region's bytes as a process death now would leave them.</summary>
    public static byte[] Copy(PmemRegion region) => region.ReadSpan(0, (int)region.LengthBytes).ToArray();

    /// <summary>A new region of memory with these bytes.</summary>
    public static PmemRegion Load(ReadOnlySpan<byte> image)
    {
        PmemRegion region = PmemMemory.Allocate(image.Length);
        region.Write(0, image);
        region.FlushRange(0, image.Length);
        region.Drain();
        return region;
    }

    /// <summary>Everything that a device holds.</summary>
    public static byte[] ReadAll(IBlockDevice device)
    {
        var bytes = new byte[device.Length];
        int at = 0;
        while (at < bytes.Length)
        {
            int read = device.Read(at, bytes.AsSpan(at, Math.Min(1 << 20, bytes.Length - at)));
            Assert.True(read > 0, $"nothing read at {at} of {bytes.Length}");
            at += read;
        }

        return bytes;
    }

    /// <summary>Asserts equality and says where the first difference is.</summary>
    public static void AssertSame(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, string what)
    {
        Assert.True(expected.Length == actual.Length, $"{what}: {actual.Length} bytes, expected {expected.Length}");
        int at = expected.CommonPrefixLength(actual);
        Assert.True(at == expected.Length, at == expected.Length ? ""
            : $"{what}: first difference at {at}: 0x{actual[at]:x2}, expected 0x{expected[at]:x2}");
    }

    /// <summary>The region under the device.</summary>
    public PmemRegion CurrentRegion => _region!;

    public byte[] RegionImage() => Copy(_region!);

    public byte[] BackingImage()
    {
        if (Scripted is not null)
        {
            return Scripted.Snapshot();
        }

        if (_stream is MemoryStream memory)
        {
            return memory.ToArray();
        }

        // By the handle of the cache itself: no other handle may have the backing open.
        Microsoft.Win32.SafeHandles.SafeFileHandle file = ((FileStream)_stream!).SafeFileHandle;
        var bytes = new byte[RandomAccess.GetLength(file)];
        Assert.Equal(bytes.Length, RandomAccess.Read(file, bytes, 0));
        return bytes;
    }

    /// <summary>Closes the device in good order and opens the cache again.</summary>
    public PCacheDevice Reopen(PCacheOptions? options = null)
    {
        Device.Dispose();
        Device = PCacheDevice.Open(Region(), Backing(), options ?? Options);
        return Device;
    }

    /// <summary>
    /// What a kill at this moment leaves, opened. No caller may be writing; the device's own thread may be at work.
    /// </summary>
    public PCacheDevice OpenKilledCopy(PCacheOptions? options = null)
    {
        // A copy takes its time, a kill doesn't: what was the same before and after the copy of the backing is a state
        // of one moment.
        byte[] region = RegionImage();
        SimulatedDisk backing;
        for (int tries = 0; ; tries++)
        {
            Assert.True(tries < 100_000, "the region never stays as it is");
            backing = Scripted?.AfterKill() ?? Disks.Make(BackingImage(), 1, Device.CanResize);
            byte[] again = RegionImage();
            if (region.AsSpan().SequenceEqual(again))
            {
                break;
            }

            region = again;
        }

        ImageChecks.AssertSound(region);
        PCacheDevice device = PCacheDevice.Open(Load(region), backing,
            (options ?? Options) with { LeaveBackingOpen = false, LeaveRegionOpen = false });
        _owned.Add(device);
        return device;
    }

    public void Dispose()
    {
        Device.Dispose();
        foreach (IDisposable owned in _owned)
        {
            owned.Dispose();
        }

        _region?.Dispose();
        _stream?.Dispose();
        Directory.Delete(_folder, recursive: true);
        Assert.Empty(Scripted?.Violations ?? []);
    }

    private PmemRegion Region()
    {
        string path = Path.Combine(_folder, "cache");
        _region = _regionKind switch
        {
            RegionKind.Memory => _region ?? PmemMemory.Allocate(RegionBytes),
            RegionKind.PageCache => PmemFile.OpenOrCreate(path, RegionBytes),
            RegionKind.PowerSafe => PmemFile.OpenOrCreate(path, RegionBytes, new PmemFileOptions { PowerSafe = true }),
            _ => PmemFile.OpenOrCreate(path, RegionBytes, new PmemFileOptions { Persistence = Persistence.Assumed }),
        };
        return _region;
    }

    private IBlockDevice Backing() => _stream is null ? Scripted! : BlockDevice.FromStream(_stream, leaveOpen: true);
}
