using PCache.Core.Pmem;

namespace PCache.Core.Tests.Pmem;

public sealed class VolatileRegionTests : PmemRegionContract
{
    protected override Persistence Persistence => Persistence.Volatile;

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public void Lengths_that_are_none_are_refused(long length)
        => Assert.Throws<ArgumentOutOfRangeException>(() => PmemMemory.Allocate(length));

    [Fact]
    public void More_than_there_is_is_refused()
        => Assert.ThrowsAny<OutOfMemoryException>(() => PmemMemory.Allocate(long.MaxValue));

    [Theory]
    [InlineData(64 << 20)]
    [InlineData((64 << 20) + 1)]
    [InlineData((65 << 20) + 4097)]
    public void Large_regions_are_zero_and_take_stores_at_both_ends(int length)
    {
        byte[] bytes = [1, 2, 3, 4];
        for (int round = 0; round < 3; round++)
        {
            using PmemRegion region = PmemMemory.Allocate(length);
            foreach (int at in new[] { 0, 4096, (2 << 20) - 2, length / 2, length - 4 })
            {
                Assert.Equal(new byte[4], region.ReadSpan(at, 4).ToArray());
                region.Write(at, bytes);
                Assert.Equal(bytes, region.ReadSpan(at, 4).ToArray());
            }
        }
    }

    protected override PmemRegion Create() => PmemMemory.Allocate(Length);
}

public sealed class SimulatedPmemRegionTests : PmemRegionContract
{
    protected override Persistence Persistence => Persistence.Assumed;

    protected override bool IsPowerSafe => true;

    protected override PmemRegion Create() => SimulatedPmem.Allocate(Length);
}

public sealed class DearSimulatedPmemRegionTests : PmemRegionContract
{
    protected override Persistence Persistence => Persistence.Assumed;

    protected override bool IsPowerSafe => true;

    protected override bool DrainIsCheap => false;

    protected override PmemRegion Create() => SimulatedPmem.Allocate(Length, drainIsCheap: false);
}

/// <summary>Regions in a directory of their own.</summary>
public abstract class FileRegionContract : PmemRegionContract
{
    private readonly TemporaryDirectory _directory = new();

    protected abstract PmemFileOptions Options { get; }

    protected sealed override Persistence Persistence => Options.Persistence;

    protected virtual TemporaryDirectory Directory => _directory;

    public override void Dispose()
    {
        base.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void Content_is_there_after_a_reopen()
    {
        string path = Directory.File("reopened");
        byte[] data = new byte[10_000];
        new Random(7).NextBytes(data);
        using (PmemRegion region = PmemFile.Create(path, Length, Options))
        {
            region.WriteDurably(123_456, data);
        }

        Assert.Equal(Length, new FileInfo(path).Length);
        foreach (PmemFileOptions options in new[] { Options, Options with { Prefault = true },
            Options with { ReadOnly = true }, Options with { ReadOnly = true, Prefault = true } })
        {
            using PmemRegion region = PmemFile.Open(path, options);
            Assert.Equal(Length, region.LengthBytes);
            Assert.Equal(data, Metadata(region, 123_456, data.Length));
            Assert.True(region.ReadSpan(123_456, data.Length).SequenceEqual(data));
        }

        using FileStream file = File.OpenRead(path);
        file.Position = 123_456;
        byte[] read = new byte[data.Length];
        file.ReadExactly(read);
        Assert.Equal(data, read);
    }

    protected override PmemRegion Create() =>
        PmemFile.Create(Directory.File(Guid.NewGuid().ToString()), Length, Options);
}

public sealed class PageCacheRegionTests : FileRegionContract
{
    protected override PmemFileOptions Options => new();
}

public sealed class PrefaultedPageCacheRegionTests : FileRegionContract
{
    protected override PmemFileOptions Options => new() { Prefault = true };
}

public sealed class PowerSafePageCacheRegionTests : FileRegionContract
{
    protected override PmemFileOptions Options => new() { PowerSafe = true };

    protected override bool IsPowerSafe => true;

    protected override bool DrainIsCheap => false;
}

public sealed class AssumedRegionTests : FileRegionContract
{
    private readonly TemporaryDirectory? _memory = System.IO.Directory.Exists("/dev/shm") ? new("/dev/shm") : null;

    protected override PmemFileOptions Options => new() { Persistence = Persistence.Assumed };

    protected override bool IsPowerSafe => true;

    protected override TemporaryDirectory Directory => _memory ?? base.Directory;

    public override void Dispose()
    {
        base.Dispose();
        _memory?.Dispose();
    }
}

/// <summary>The mapping of systems that have none of our own; it works everywhere.</summary>
public sealed class ViewMappingRegionTests : PmemRegionContract
{
    private readonly TemporaryDirectory _directory = new();

    protected override Persistence Persistence => Persistence.PageCache;

    protected override bool IsPowerSafe => true;

    protected override bool DrainIsCheap => false;

    public override void Dispose()
    {
        base.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void A_read_only_view_shows_the_content()
    {
        string path = _directory.File("view");
        byte[] content = new byte[8192];
        new Random(8).NextBytes(content);
        File.WriteAllBytes(path, content);
        Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle(path);
        using MappedFileRegion region =
            new(file, new ViewFileMapping(file, 8192, readOnly: true), 8192, new PmemFileOptions { ReadOnly = true });
        Assert.True(region.ReadSpan(0, 8192).SequenceEqual(content));
    }

    protected override PmemRegion Create()
    {
        Microsoft.Win32.SafeHandles.SafeFileHandle file =
            File.OpenHandle(_directory.File(Guid.NewGuid().ToString()), FileMode.CreateNew, FileAccess.ReadWrite);
        RandomAccess.SetLength(file, Length);
        ViewFileMapping mapping = new(file, Length, readOnly: false);
        mapping.Prefault(forWriting: true);
        return new MappedFileRegion(file, mapping, Length, new PmemFileOptions { PowerSafe = true });
    }
}

public sealed class ReadOnlyRegionTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly byte[] _content = new byte[3 * 4096];
    private readonly PmemRegion _region;
    private readonly string _path;

    public ReadOnlyRegionTests()
    {
        new Random(9).NextBytes(_content);
        _path = _directory.File("read-only");
        File.WriteAllBytes(_path, _content);
        _region = PmemFile.Open(_path, new PmemFileOptions { ReadOnly = true, PowerSafe = true });
    }

    public void Dispose()
    {
        _region.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public void Reads_are_as_of_any_region()
    {
        Assert.True(_region.IsReadOnly);
        Assert.True(_region.DrainIsCheap);
        byte[] read = new byte[_content.Length - 7];
        _region.ReadMetadata(7, read);
        Assert.True(_content.AsSpan(7).SequenceEqual(read));
        Assert.True(_region.ReadSpan(0, _content.Length).SequenceEqual(_content));
        Assert.Throws<ArgumentOutOfRangeException>(() => _region.ReadMetadata(8, new byte[_content.Length]));
        _region.FlushRange(0, _content.Length);
        _region.Drain();
    }

    [Fact]
    public void Stores_are_refused_and_change_nothing()
    {
        Assert.Throws<InvalidOperationException>(() => _region.Write(0, [1]));
        Assert.Throws<InvalidOperationException>(() => _region.WriteWithCrc(0, [1], 0));
        Assert.Throws<InvalidOperationException>(() => _region.WriteZeros(0, 512));
        Assert.Throws<ArgumentOutOfRangeException>(() => _region.Write(_content.Length, [1]));
        _region.Dispose();
        Assert.Throws<ObjectDisposedException>(() => _region.Write(0, [1]));
        Assert.Equal(_content, File.ReadAllBytes(_path));
    }
}
