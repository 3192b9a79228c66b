using System.IO.Compression;
using PCache.Core.ClientTests.Support;

namespace PCache.Core.ClientTests.Archives;

/// <summary>
/// The runtime's ZipArchive on a cached file, against the same on a FileStream, byte for byte; the cache is closed and
/// opened between all steps.
/// </summary>
public sealed class ZipArchiveTests
{
    // Entries have a fixed time: the archives are to be the same bytes.
    private static readonly DateTimeOffset Time = new(2024, 5, 6, 7, 8, 10, TimeSpan.Zero);

    public static TheoryData<int, bool> Ways() => new() { { 0, false }, { 0, true }, { 4096, false }, { 4096, true } };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task An_archive_is_made_changed_shrunk_and_read(int bufferSize, bool viaAsync)
    {
        using var file = new CachedFile(bufferSize);
        await file.BothAsync(stream =>
            WriteAsync(stream, ZipArchiveMode.Create, viaAsync, archive => AddAsync(archive, 0, 400, viaAsync)));
        await file.BothAsync(stream => ReadAsync(stream, viaAsync, Enumerable.Range(0, 400)));
        await file.BothAsync(stream =>
            WriteAsync(stream, ZipArchiveMode.Update, viaAsync, archive => AddAsync(archive, 400, 20, viaAsync)));
        long before = 0;
        await file.BothAsync(stream =>
        {
            before = stream.Length;
            return Task.CompletedTask;
        });
        await file.BothAsync(stream => WriteAsync(stream, ZipArchiveMode.Update, viaAsync, archive =>
        {
            foreach (ZipArchiveEntry entry in archive.Entries.Where((_, i) => i % 3 != 0).ToArray())
            {
                entry.Delete();
            }

            return Task.CompletedTask;
        }));
        await file.BothAsync(stream => ReadAsync(stream, viaAsync, Enumerable.Range(0, 420).Where(i => i % 3 == 0)));
        string path = file.Drain();
        Assert.True(new FileInfo(path).Length < before, "the archive was to shrink");
        using ZipArchive plain = ZipFile.OpenRead(path);
        Assert.Equal(140, plain.Entries.Count);
        Assert.All(plain.Entries, AssertContent);
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Large_entries_go_through_a_cache_that_is_smaller(int bufferSize, bool viaAsync)
    {
        using var file = new CachedFile(bufferSize);
        byte[] large = new byte[7 << 20];
        new Random(5).NextBytes(large);
        await file.BothAsync(stream => WriteAsync(stream, ZipArchiveMode.Create, viaAsync, async archive =>
        {
            foreach (string name in (string[])["a", "b"])
            {
                ZipArchiveEntry entry = archive.CreateEntry(name, CompressionLevel.NoCompression);
                entry.LastWriteTime = Time;
                await using Stream content = viaAsync ? await entry.OpenAsync() : entry.Open();
                await content.WriteAsync(large);
            }
        }));
        using ZipArchive plain = ZipFile.OpenRead(file.Drain());
        foreach (ZipArchiveEntry entry in plain.Entries)
        {
            using var copy = new MemoryStream();
            await using Stream content = await entry.OpenAsync();
            await content.CopyToAsync(copy);
            Assert.True(large.AsSpan().SequenceEqual(copy.GetBuffer().AsSpan(0, (int)copy.Length)), entry.Name);
        }
    }

    [Fact]
    public async Task Views_of_one_device_read_one_archive_at_once()
    {
        using var file = new CachedFile();
        using PCacheStream stream = file.Open();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            await AddAsync(archive, 0, 200, viaAsync: false);
        }

        Parallel.For(0, 4, _ =>
        {
            using var archive = new ZipArchive(stream.Cache!.OpenStream(), ZipArchiveMode.Read);
            Assert.Equal(200, archive.Entries.Count);
            Assert.All(archive.Entries, AssertContent);
        });
    }

    private static async Task WriteAsync(Stream stream, ZipArchiveMode mode, bool viaAsync, Func<ZipArchive,
        Task> change)
    {
        if (viaAsync)
        {
            await using ZipArchive archive =
                await ZipArchive.CreateAsync(stream, mode, leaveOpen: false, entryNameEncoding: null);
            await change(archive);
        }
        else
        {
            using var archive = new ZipArchive(stream, mode, leaveOpen: false);
            await change(archive);
        }
    }

    private static async Task AddAsync(ZipArchive archive, int from, int count, bool viaAsync)
    {
        for (int i = from; i < from + count; i++)
        {
            ZipArchiveEntry entry = archive.CreateEntry($"folder{i % 7}/{i}", CompressionLevel.Fastest);
            entry.LastWriteTime = Time;
            byte[] bytes = CachedFile.Bytes(i * 37 % 9000, i);
            if (viaAsync)
            {
                await using Stream content = await entry.OpenAsync();
                await content.WriteAsync(bytes);
            }
            else
            {
                using Stream content = entry.Open();
                content.Write(bytes);
            }
        }
    }

    private static async Task ReadAsync(Stream stream, bool viaAsync, IEnumerable<int> expected)
    {
        await using ZipArchive archive = viaAsync
            ? await ZipArchive.CreateAsync(stream, ZipArchiveMode.Read, leaveOpen: false, entryNameEncoding: null)
            : new ZipArchive(stream, ZipArchiveMode.Read);
        Assert.Equal(expected, archive.Entries.Select(entry =>
            int.Parse(entry.Name, System.Globalization.CultureInfo.InvariantCulture)));
        Assert.All(archive.Entries, AssertContent);
    }

    private static void AssertContent(ZipArchiveEntry entry)
    {
        int i = int.Parse(entry.Name, System.Globalization.CultureInfo.InvariantCulture);
        using Stream content = entry.Open();
        byte[] found = new byte[entry.Length];
        content.ReadExactly(found);
        Assert.Equal(CachedFile.Bytes(i * 37 % 9000, i), found);
    }
}
