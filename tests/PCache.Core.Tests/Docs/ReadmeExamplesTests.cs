// Keeps true: every C# example of the pages below is compiled and run, word for word, here or in one of the sources
// below. An example stands in a page as a csharp block right below the line "<!-- example: NAME -->", and in a source
// between the lines "// example: NAME" and "// end of example".

using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Docs;

/// <summary>The examples of the pages for users, and the proof that the pages show just these.</summary>
public sealed partial class ReadmeExamplesTests : IDisposable
{
    private static readonly string[] Pages = ["README.md", "docs/quick-start.md", "docs/stream.md", "docs/testing.md",
        "docs/observability.md", "docs/clients.md", "src/PCache.Testing/README.md",
        "src/PCache.DependencyInjection/README.md"];

    private static readonly string[] Sources =
    [
        "tests/PCache.Core.Tests/Docs/ReadmeExamplesTests.cs",
        "tests/PCache.Core.Tests/Docs/ObservabilityPageTests.cs",
        "tests/PCache.Sqlite.Tests/ExampleTests.cs",
        "tests/PCache.Core.ClientTests/Faster/ClientsPageTests.cs",
        "tests/PCache.Core.Tests/Docs/QuickStartExamplesTests.cs",
        "tests/PCache.Core.Tests/Docs/Example/Accounts.cs",
        "tests/PCache.Core.Tests/Testing/CrashTestTests.cs",
        "tests/PCache.Core.Tests/Testing/Example/LogStore.cs",
        "tests/PCache.Core.Tests/Testing/Example/LogStoreCrashTests.cs",
        "tests/PCache.Core.Tests/Testing/Example/WrongLogStores.cs",
        "tests/PCache.DependencyInjection.Tests/ExampleTests.cs",
    ];

    private readonly TempFolder _folder = new();
    private readonly string _cachePath;
    private readonly string _backingPath;

    public ReadmeExamplesTests()
    {
        _cachePath = _folder["cache.img"];
        _backingPath = _folder.CreateFile("disk.img", 8 << 20);
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void One_line()
    {
        string cachePath = _cachePath;
        string backingPath = _backingPath;
        byte[] data = [1, 2, 3];
        void Write()
        {
            // example: one-line
            // 128 MiB of cache in a file, in front of another file; or of any readable, writable, seekable Stream.
            using PCacheStream stream = PCacheStream.OpenOrCreate(cachePath, 128L << 20, backingPath);

            stream.Position = 4096;
            stream.Write(data);
            stream.Flush(); // survives the death of the process from here on

            // end of example
            stream.Position = 4096;
            Assert.Equal(1, stream.ReadByte());
        }

        Write();

        // Nothing was written back: opening again finds it in the cache.
        using PCacheStream again = PCacheStream.OpenOrCreate(cachePath, 128L << 20,
            new FileStream(backingPath, FileMode.Open, FileAccess.ReadWrite));
        Assert.Equal(1, again.Cache!.GetStatus().DirtyKeys);
        again.Position = 4098;
        Assert.Equal(3, again.ReadByte());
    }

    [Fact]
    public async Task Device_drain_and_status()
    {
        string cachePath = _cachePath;
        string backingPath = _backingPath;
        CancellationToken cancellationToken = CancellationToken.None;
        byte[] data = Enumerable.Range(0, 1000).Select(i => (byte)i).ToArray();
        string report;

        // example: device
        PmemRegion region = PmemFile.OpenOrCreate(cachePath, 16L << 20, new PmemFileOptions { PowerSafe = true });
        IBlockDevice backing = BlockDevice.OpenFile(backingPath);
        using PCacheDevice device = PCacheDevice.OpenOrCreate(region, backing, new PCacheOptions
        {
            SegmentSizeBytes = 1 << 20,                 // compact geometry; leave it out for Linux's
            PayloadCrc = true,                          // a checksum on every payload, verified when read
            WritebackDelay = TimeSpan.FromSeconds(30),  // collect for half a minute before writing back
        });

        await device.WriteAsync(12_345, data, cancellationToken: cancellationToken);
        await device.FlushAsync(cancellationToken);               // all writes so far are durable
        device.Write(4096, data, WriteDurability.ForceUnitAccess); // this one is durable when it returns

        // end of example
        var read = new byte[data.Length];
        Assert.Equal(data.Length, device.Read(12_345, read));
        Assert.Equal(data, read);
        Assert.False(device.GetStatus().IsClean);

        // example: drain
        var progress = new Progress<DrainProgress>(p => Console.WriteLine($"{p.RemainingBytes} bytes to go"));
        await device.DrainAsync(progress, cancellationToken); // the backing is complete, and flushed

        // end of example
        var fromBacking = new byte[data.Length];
        backing.Read(4096, fromBacking);
        Assert.Equal(data, fromBacking);

        // example: status
        PCacheStatus status = device.GetStatus();
        report = $"{status.SegmentsUsed} of {status.SegmentCount} segments used, {status.DirtyBytes} dirty bytes, "
            + $"{status.Persistence}, power-safe: {status.IsPowerSafe}, last error: "
                + $"{status.WritebackError?.Message ?? "none"}";

        // end of example
        Assert.Contains("0 dirty bytes, PageCache, power-safe: True, last error: none", report,
            StringComparison.Ordinal);
        Assert.True(status.IsClean);
    }

    [Fact]
    public void Read_only()
    {
        string cachePath = _cachePath;
        string backingPath = _backingPath;
        MakeSmallCache();
        byte[] cacheBefore = File.ReadAllBytes(cachePath);
        byte[] buffer = new byte[512];

        // example: read-only
        using PCacheDevice device = PCacheDevice.Open(
            PmemFile.Open(cachePath, new PmemFileOptions { ReadOnly = true }),
            BlockDevice.OpenFile(backingPath, FileAccess.Read),
            new PCacheOptions { ReadOnly = true });

        int read = device.Read(0, buffer); // what the cache has, else what the backing has; neither is changed

        // end of example
        Assert.Equal(512, read);
        Assert.Equal(7, buffer[0]);
        Assert.Throws<NotSupportedException>(() => device.Write(0, buffer));
        device.Dispose();
        Assert.Equal(cacheBefore, File.ReadAllBytes(cachePath));
    }

    [Fact]
    public async Task Views()
    {
        MakeSmallCache();
        using PCacheDevice device = OpenSmallCache();
        byte[] header = new byte[16];
        byte[] records = new byte[100];

        // example: views
        using PCacheStream reader = device.OpenStream();               // unbuffered: coherent with everybody
        using PCacheStream writer = device.OpenStream(bufferSize: 65536); // small writes are collected

        writer.Position = 1 << 20;
        for (int i = 0; i < 1000; i++)
        {
            writer.Write(records);
        }

        await writer.FlushAsync(); // hands the buffer over, and is the durability barrier
        reader.Position = 1 << 20;
        await reader.ReadExactlyAsync(header);

        // end of example
        Assert.Equal((1 << 20) + 16, reader.Position);
        Assert.Equal((1 << 20) + 100_000, writer.Position);
        writer.Dispose();
        Assert.Equal(1, device.Read(0, new byte[1]));
    }

    [Fact]
    public void Growth()
    {
        MakeSmallCache();
        using PCacheDevice device = OpenSmallCache();
        long before = device.Length;

        // example: length
        using PCacheStream stream = device.OpenStream();
        stream.Seek(0, SeekOrigin.End);
        stream.Write("appended"u8);           // grows the device; the backing follows in write-back
        stream.Flush();                       // the new length is durable too
        stream.SetLength(stream.Length - 4);  // writes everything back first, then cuts the backing

        // end of example
        Assert.Equal(before + 4, device.Length);
        Assert.Equal(before + 4, device.Backing.Length);
        Assert.Equal(stream.Length, stream.Position);
    }

    [Fact]
    public void Whole_batches()
    {
        MakeSmallCache();
        using PCacheDevice device = OpenSmallCache();
        byte[] header = new byte[512];
        byte[] page = new byte[4096];
        page.AsSpan().Fill(7);

        // example: atomic
        device.WriteBatch([new(0, header), new(1 << 20, page)], WriteDurability.Normal, BatchAtomicity.All);

        using AtomicBatch batch = device.BeginAtomic();
        batch.Write(1 << 20, page);
        batch.Read(0, header);                            // sees what this scope has written; nobody else does
        header[0]++;
        batch.Write(0, header);
        batch.Commit(WriteDurability.ForceUnitAccess);    // all of it, durably; disposed without: nothing

        // end of example
        Assert.Equal(1, device.Read(0, header.AsSpan(0, 1)));
        Assert.Equal(1, header[0]);
        Assert.Equal(4096, device.Read(1 << 20, page));
        Assert.Equal(7, page[100]);
    }

    [Fact]
    public void Own_device()
    {
        MakeSmallCache();
        using PCacheDevice device = OpenSmallCache();
        byte[] data = new byte[8192];

        // example: block-device
        device.WriteZeroes(0, 4 << 20);                              // keys only: they share one block of zeros
        device.Discard(1 << 20, 64 << 10);                           // undefined until it is written again
        device.Write(512, data, WriteDurability.ForceUnitAccess);    // durable, and a barrier for write-back
        int read = device.Read(device.Length - 100, new byte[4096]); // 100: short only where the device ends

        // end of example
        Assert.Equal(100, read);
        Assert.Equal(0, ReadByte(device, 0));
    }

    [Fact]
    public void Batches()
    {
        MakeSmallCache();
        using PCacheDevice device = OpenSmallCache();
        byte[] first = [1, 1, 1];
        byte[] second = new byte[4096];
        byte[] third = [.. Enumerable.Repeat((byte)3, 1000)];
        byte[] buffer = new byte[3];
        byte[] other = new byte[1000];

        // example: batch
        BlockWrite[] writes = [new(0, first), new(64 << 10, second), new(5 << 20, third)];
        // as one after the other, but one fence, and one flush
        device.WriteBatch(writes, WriteDurability.ForceUnitAccess);
        long read = device.ReadBatch([new(0, buffer), new(5 << 20, other)]);

        // end of example
        Assert.Equal(1003, read);
        Assert.Equal(first, buffer);
        Assert.Equal(third, other);
    }

    [Fact]
    public void Damaged_data()
    {
        MakeSmallCache();
        DamageThePayload();
        using PCacheDevice device = OpenSmallCache();
        byte[] buffer = new byte[512];
        int damaged = 0;

        // example: damage
        try
        {
            device.Read(0, buffer);
        }
        catch (PCacheDamagedDataException e)
        {
            damaged++;
            device.AbandonDamaged(e.Offset, e.LengthBytes); // or write the range anew
        }

        // end of example
        Assert.Equal(1, damaged);
        Assert.Equal(512, device.Read(0, buffer));
        Assert.False(device.GetStatus().IsDegraded);
    }

    [Fact]
    public void Persist_on_write()
    {
        MakeSmallCache();
        using PCacheDevice device = OpenSmallCache();
        byte[] line = [1, 2, 3];

        // example: persist-on-write
        // what Write has taken is there after a kill, as with a FileStream
        using PCacheStream log = device.OpenStream(PersistOn.Write);
        log.Write(line);

        // end of example
        Assert.Equal(0, device.GetStatus().PendingKeys);
    }

    private static int ReadByte(PCacheDevice device, long offset)
    {
        var one = new byte[1];
        Assert.Equal(1, device.Read(offset, one));
        return one[0];
    }

    /// <summary>A closed cache with one dirty sector of sevens at offset 0.</summary>
    private void MakeSmallCache()
    {
        using PCacheDevice device = PCacheDevice.Create(
            PmemFile.Create(_cachePath, 4 << 20),
            BlockDevice.OpenFile(_backingPath),
            new PCacheOptions { SegmentSizeBytes = 256 << 10, PayloadCrc = true, StartWritebackPaused = true });
        var sector = new byte[512];
        sector.AsSpan().Fill(7);
        device.Write(0, sector);
        device.Flush();
    }

    private PCacheDevice OpenSmallCache() =>
        PCacheDevice.Open(PmemFile.Open(_cachePath), BlockDevice.OpenFile(_backingPath));

    private void DamageThePayload()
    {
        byte[] image = File.ReadAllBytes(_cachePath);
        byte[] payload = [.. Enumerable.Repeat((byte)7, 512)];
        int at = image.AsSpan().IndexOf(payload);
        Assert.True(at > 0);
        image[at] ^= 1;
        File.WriteAllBytes(_cachePath, image);
    }
}
