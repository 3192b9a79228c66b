using System.Text;
using ICSharpCode.SharpZipLib.GZip;
using ICSharpCode.SharpZipLib.Tar;
using ICSharpCode.SharpZipLib.Zip;
using PCache.Core.ClientTests.Support;

namespace PCache.Core.ClientTests.Archives;

/// <summary>
/// SharpZipLib on a cached file, against the same on a FileStream, byte for byte; the cache is closed and opened
/// between all steps.
/// </summary>
public sealed class SharpZipLibTests
{
    private static readonly DateTime Time = new(2024, 5, 6, 7, 8, 10, DateTimeKind.Utc);

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    public async Task A_zip_file_is_written_updated_and_read(int bufferSize)
    {
        using var file = new CachedFile(bufferSize);
        await file.BothAsync(stream =>
        {
            using var zip = new ZipOutputStream(stream);
            for (int i = 0; i < 200; i++)
            {
                zip.PutNextEntry(new ZipEntry($"{i}") { DateTime = Time });
                zip.Write(CachedFile.Bytes(i * 97, i));
                zip.CloseEntry();
            }
        });
        await file.BothAsync(stream => Assert.Equal(200, ReadForward(stream)));
        await file.BothAsync(stream =>
        {
            // In place: entries are moved over each other inside the stream, which is cut afterwards.
            using var zip = new ZipFile(stream, leaveOpen: false) { EntryFactory = new ZipEntryFactory(Time) };
            zip.BeginUpdate(new MemoryArchiveStorage(FileUpdateMode.Direct));
            for (int i = 0; i < 200; i += 2)
            {
                Assert.True(zip.Delete($"{i}"));
            }

            zip.Add(new BytesSource(CachedFile.Bytes(50_000, 777)),
                new ZipEntry("777") { DateTime = Time, Size = 50_000 });
            zip.CommitUpdate();
        });
        await file.BothAsync(stream =>
        {
            using var zip = new ZipFile(stream, leaveOpen: false);
            Assert.True(zip.TestArchive(testData: true));
            Assert.Equal(101, zip.Count);
            using Stream content = zip.GetInputStream(zip.GetEntry("777"));
            byte[] found = new byte[50_000];
            content.ReadExactly(found);
            Assert.Equal(CachedFile.Bytes(50_000, 777), found);
        });
        using System.IO.Compression.ZipArchive plain = System.IO.Compression.ZipFile.OpenRead(file.Drain());
        Assert.Equal(101, plain.Entries.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4096)]
    public async Task A_packed_tar_is_written_and_read(int bufferSize)
    {
        using var file = new CachedFile(bufferSize);
        await file.BothAsync(stream =>
        {
            using (var gzip = new GZipOutputStream(stream) { IsStreamOwner = false })
            using (var tar = new TarOutputStream(gzip, Encoding.UTF8))
            {
                for (int i = 0; i < 100; i++)
                {
                    byte[] bytes = CachedFile.Bytes(i * 331, i);
                    TarEntry entry = TarEntry.CreateTarEntry($"{i}");
                    entry.ModTime = Time;
                    entry.Size = bytes.Length;
                    tar.PutNextEntry(entry);
                    tar.Write(bytes);
                    tar.CloseEntry();
                }
            }

            stream.Position = 4; // the time of day in the head: the control's is another
            stream.Write(new byte[4]);
        });
        await file.BothAsync(stream => Assert.Equal(100, ReadTar(stream)));
        using FileStream plain = File.OpenRead(file.Drain());
        Assert.Equal(100, ReadTar(plain));
    }

    private static int ReadForward(Stream stream)
    {
        using var zip = new ZipInputStream(stream);
        int count = 0;
        for (; zip.GetNextEntry() is ZipEntry entry; count++)
        {
            Assert.Equal($"{count}", entry.Name);
            using var content = new MemoryStream();
            zip.CopyTo(content);
            Assert.Equal(CachedFile.Bytes(count * 97, count), content.ToArray());
        }

        return count;
    }

    private static int ReadTar(Stream stream)
    {
        using var gzip = new GZipInputStream(stream);
        using var tar = new TarInputStream(gzip, Encoding.UTF8);
        int count = 0;
        for (; tar.GetNextEntry() is TarEntry entry; count++)
        {
            Assert.Equal($"{count}", entry.Name);
            byte[] found = new byte[entry.Size];
            tar.ReadExactly(found);
            Assert.Equal(CachedFile.Bytes(count * 331, count), found);
        }

        return count;
    }

    private sealed class BytesSource(byte[] bytes) : IStaticDataSource
    {
        public Stream GetSource() => new MemoryStream(bytes);
    }
}
