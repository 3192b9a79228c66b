using PCache.Core.Files;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>
/// From paths to an open cache: of a call that fails nothing is left, and what is undone is only what this very call
/// has made, whatever has its name by then; what is wrong is named as the caller has named it.
/// </summary>
public sealed class CacheFileOpeningTests : IDisposable
{
    private const int Backing = 1 << 20;
    private static readonly PCacheOptions Small = new() { SegmentSizeBytes = 64 << 10 };
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_failed_call_leaves_no_file_that_it_made()
    {
        Assert.Throws<IOException>(() =>
            PCacheDevice.OpenOrCreate(_folder["c"], Backing, new LateFailure(_folder["c"], () => { }), Small));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_file_that_was_empty_is_empty_again_after_a_failed_call()
    {
        File.WriteAllBytes(_folder["c"], []);
        Assert.Throws<IOException>(() =>
            PCacheDevice.OpenOrCreate(_folder["c"], Backing, new LateFailure(_folder["c"], () => { }), Small));
        Assert.Equal(0, new FileInfo(_folder["c"]).Length);
    }

    [Fact]
    public void A_file_that_was_there_stays_after_a_failed_call()
    {
        using (PCacheStream made = PCacheStream.Create(_folder["c"], Backing, new MemoryStream(new byte[Backing]),
            Small))
        {
            made.Write(new byte[4096]);
        }

        byte[] before = File.ReadAllBytes(_folder["c"]);
        Assert.ThrowsAny<IOException>(() =>
            PCacheStream.OpenOrCreate(_folder["c"], Backing, new MemoryStream(new byte[512]), Small));
        Assert.ThrowsAny<IOException>(() =>
            PCacheStream.Create(_folder["c"], Backing, new MemoryStream(new byte[Backing]), Small));
        Assert.Equal(before, File.ReadAllBytes(_folder["c"]));
    }

    [Fact]
    public void What_has_taken_the_name_meanwhile_is_left_alone()
    {
        var failure = new LateFailure(_folder["c"], () =>
        {
            File.Move(_folder["c"], _folder["moved"]);
            File.WriteAllText(_folder["c"], "another program's");
        });
        Assert.Throws<IOException>(() => PCacheDevice.OpenOrCreate(_folder["c"], Backing, failure, Small));
        Assert.Equal("another program's", File.ReadAllText(_folder["c"]));
    }

    [Fact]
    public void The_file_is_locked_until_it_is_undone()
    {
        Exception? second = null;
        var failure = new LateFailure(_folder["c"],
            () => second = Record.Exception(() =>
            PCacheStream.OpenOrCreate(_folder["c"], Backing, new MemoryStream(new byte[Backing]), Small)));
        Assert.Throws<IOException>(() => PCacheDevice.OpenOrCreate(_folder["c"], Backing, failure, Small));
        Assert.IsType<PCacheInUseException>(second);
    }

    [Fact]
    public async Task No_caller_loses_a_cache_to_another_call_that_fails()
    {
        bool stop = false;
        Task failing = Task.Run(() =>
        {
            while (!Volatile.Read(ref stop))
            {
                _ = Record.Exception(() => PCacheDevice.OpenOrCreate(_folder["c"], Backing,
                    new LateFailure(_folder["c"], () => { }), Small));
                Thread.Sleep(1);
            }
        });
        try
        {
            for (int i = 0; i < 20; i++)
            {
                PCacheStream mine = await OpenInTime();
                FileFacts? named = FileFacts.TryOfPath(_folder["c"]);
                Assert.True(named is { Links: 1 }
                    || !FileFacts.IsSupported, "the cache that is open has lost its name");
                mine.WriteByte(1);
                mine.Flush();
                mine.Dispose();
                Assert.True(File.Exists(_folder["c"]));
                File.Delete(_folder["c"]);
            }
        }
        finally
        {
            Volatile.Write(ref stop, true);
            await failing;
        }

        async Task<PCacheStream> OpenInTime()
        {
            for (int tries = 0; ; tries++)
            {
                try
                {
                    return PCacheStream.OpenOrCreate(_folder["c"], Backing, new MemoryStream(new byte[Backing]), Small);
                }
                catch (PCacheInUseException) when (tries < 20_000)
                {
                    await Task.Delay(1);
                }
            }
        }
    }

    [Fact]
    public void A_backing_given_by_its_path_is_closed_whatever_happens()
    {
        string path = _folder.CreateFile("backing", Backing);
        Assert.Throws<ArgumentOutOfRangeException>(() => PCacheStream.OpenOrCreate(_folder["c"], 4096, path, Small));
        File.WriteAllText(_folder["none"], new string('x', 8192));
        Assert.ThrowsAny<PCacheException>(() => PCacheStream.Open(_folder["none"], path));
        new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();

        using (PCacheStream stream = PCacheStream.OpenOrCreate(_folder["c"], Backing, path, Small, bufferSize: 4096))
        {
            stream.Write("text"u8);
            Assert.Equal(0, stream.Cache!.GetStatus().WrittenBytes); // in the stream's own buffer
            stream.Flush(flushToDisk: true);
            Assert.Equal(4, stream.Cache.GetStatus().WrittenBytes);
        }

        using (PCacheStream stream = PCacheStream.Open(_folder["c"], path, new PCacheOptions { ReadOnly = true }))
        {
            Assert.Equal('t', stream.ReadByte());
            Assert.False(stream.CanWrite);
        }

        new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
    }

    [Fact]
    public void A_missing_backing_is_named_and_no_cache_is_made_for_it()
    {
        FileNotFoundException e = Assert.Throws<FileNotFoundException>(() =>
            PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, _folder["backing"], Small));
        Assert.Contains("There is no backing", e.Message, StringComparison.Ordinal);
        Assert.Equal(_folder["backing"], e.FileName);
        Assert.Throws<FileNotFoundException>(() =>
            PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, _folder["no/such/folder"], Small));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void What_is_wrong_is_named_as_the_caller_has_named_it()
    {
        string backing = _folder.CreateFile("backing", Backing);
        Check("cacheLengthBytes", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, backing));
        Check("cacheLengthBytes", () => PCacheStream.OpenOrCreate(_folder["c"], 0, backing, Small));
        Check("cacheLengthBytes", () => PCacheStream.Create(_folder["c"], 100, backing, Small));
        Check("cachePath", () => PCacheStream.OpenOrCreate("", 1 << 20, backing, Small));
        Check("cachePath", () => PCacheStream.OpenOrCreate("a\0b", 1 << 20, backing, Small));
        Check("cachePath", () => PCacheStream.Open(null!, backing));
        Check("backingPath", () => PCacheStream.Open(_folder["c"], ""));
        Check("backingPath", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, (string)null!, Small));
        Check("backing", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, (Stream)null!, Small));
        Check("backing", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, Stream.Null,
            Small with { ReadOnly = false, BackingFingerprintBlocks = -1 }), "options");
        Check("backing", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, new Unreadable(), Small));
        Check("backing", () => PCacheDevice.OpenOrCreate(PmemMemory.Allocate(1 << 20), new Unreadable(), Small));
        Check("bufferSize", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, backing, Small, bufferSize: -1));
        Check("options", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, backing,
            Small with { SegmentSizeBytes = 3 }));
        Check("options", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, backing,
            Small with { LeaveRegionOpen = true }));
        Check("options", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, backing,
            Small with { LeaveBackingOpen = true }));
        Check("fileOptions", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, backing, Small,
            new PmemFileOptions { ReadOnly = true }));
        Check("fileOptions", () => PCacheStream.OpenOrCreate(_folder["c"], 1 << 20, backing, Small,
            new PmemFileOptions { Persistence = Persistence.Dax, PowerSafe = true }));
        File.WriteAllBytes(_folder["zeros"], new byte[8192]);
        Check("cachePath", () => PCacheStream.OpenOrCreate(_folder["zeros"], 1 << 20, backing, Small));
        File.Delete(_folder["zeros"]);
        Assert.Equal(["backing"], Directory.GetFileSystemEntries(_folder.Path).Select(Path.GetFileName));

        static void Check(string name, Func<object> open, string? insteadOf = null) =>
            Assert.Equal(insteadOf ?? name, Assert.ThrowsAny<ArgumentException>(open).ParamName);
    }

    [Theory]
    [InlineData(1 << 20, null, "65.", "set SegmentSizeBytes to 131072 or less")]
    [InlineData(100_000, null, "65.", "With SegmentSizeBytes = 65536, the least, 276 KiB would do")]
    [InlineData(4096, 65536, "276 KiB", "no smaller segments")]
    [InlineData(20 << 20, 8 << 20, "33 MiB", "set SegmentSizeBytes to 4194304 or less")]
    public void Too_short_a_cache_is_told_what_would_do(int length, int? segment, string least, string hint)
    {
        var e = Assert.Throws<ArgumentOutOfRangeException>(() =>
            PCacheStream.OpenOrCreate(_folder["c"], length, new MemoryStream(new byte[Backing]),
                new PCacheOptions { SegmentSizeBytes = segment }));
        Assert.Contains(hint, e.Message, StringComparison.Ordinal);
        Assert.Contains(least.TrimEnd('.'), e.Message, StringComparison.Ordinal);
        var region = Assert.Throws<ArgumentException>(() =>
            PCacheDevice.Create(PmemMemory.Allocate(length), BlockDevice.FromMemory(Backing),
                new PCacheOptions { SegmentSizeBytes = segment }));
        Assert.Contains(hint, region.Message, StringComparison.Ordinal);
        Assert.Equal("region", region.ParamName);
    }

    [Fact]
    public void Create_destroys_a_cache_only_with_consent()
    {
        string backing = _folder.CreateFile("backing", Backing);
        using (PCacheStream stream = PCacheStream.Create(_folder["c"], Backing, backing, Small))
        {
            stream.Write("old"u8);
        }

        Assert.ThrowsAny<IOException>(() => PCacheStream.Create(_folder["c"], Backing, backing, Small));
        using (PCacheStream stream = PCacheStream.Create(_folder["c"], Backing, backing,
            Small with { OverwriteExisting = true }))
        {
            Assert.Equal(0, stream.ReadByte());
        }
    }

    [Fact]
    public async Task The_device_opens_by_path_too_and_asynchronously()
    {
        await using (PCacheDevice device =
            await PCacheDevice.OpenOrCreateAsync(_folder["c"], Backing, BlockDevice.FromMemory(Backing), Small))
        {
            device.Write(0, new byte[512]);
        }

        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            PCacheDevice.OpenOrCreateAsync(_folder["d"], Backing, BlockDevice.FromMemory(Backing), Small,
                cancellationToken: cancelled.Token));
        Assert.False(File.Exists(_folder["d"]));
    }

    /// <summary>A backing whose length can be had at first, and no longer once the cache file has been made.</summary>
    private sealed class LateFailure(string cachePath, Action before)
        : PCache.Tool.DelegatingDevice(BlockDevice.FromMemory(Backing))
    {
        private bool _failed;

        public override long Length
        {
            get
            {
                if (!_failed && new FileInfo(cachePath) is { Exists: true, Length: > 0 })
                {
                    _failed = true;
                    before();
                    throw new IOException("The backing is gone.");
                }

                return base.Length;
            }
        }
    }

    private sealed class Unreadable : MemoryStream
    {
        public override bool CanRead => false;
    }
}
