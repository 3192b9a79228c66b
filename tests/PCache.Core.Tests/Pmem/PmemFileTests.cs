using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using PCache.Core.Pmem;

namespace PCache.Core.Tests.Pmem;

/// <summary>Creating and opening files: locks, refusals, and that a refusal leaves nothing.</summary>
public sealed partial class PmemFileTests : IDisposable
{
    private const long Length = 1 << 20;
    private static readonly PmemFileOptions ReadOnly = new() { ReadOnly = true };
    private readonly TemporaryDirectory _directory = new();
    private readonly string _path;

    public PmemFileTests() => _path = _directory.File("cache");

    public void Dispose() => _directory.Dispose();

    /// <summary>A process that is being started has, for a moment, all that this one has open.</summary>
    [Fact]
    public void A_lock_goes_with_the_region_whatever_else_has_the_file_open()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        PmemRegion region = PmemFile.Create(_path, Length);
        string held = Directory.EnumerateFiles("/proc/self/fd").First(
            name => File.ResolveLinkTarget(name, returnFinalTarget: false)?.FullName == _path);
        int copy = Duplicate(int.Parse(Path.GetFileName(held), CultureInfo.InvariantCulture));
        using var copied = new SafeFileHandle(copy, ownsHandle: true);
        Assert.Throws<PCacheInUseException>(() => PmemFile.Open(_path));
        region.Dispose();
        PmemFile.Open(_path).Dispose();
    }

    [Fact]
    public void Create_refuses_a_file_that_exists()
    {
        File.WriteAllText(_path, "precious");
        Assert.ThrowsAny<IOException>(() => PmemFile.Create(_path, Length));
        Assert.Equal("precious", File.ReadAllText(_path));
    }

    [Fact]
    public void Create_allocates_all_blocks()
    {
        PmemFile.Create(_path, Length).Dispose();
        Assert.Equal(Length, new FileInfo(_path).Length);
        AssertAllocated(_path, Length);
    }

    [Fact]
    public void A_writable_open_fills_holes_and_a_read_only_one_changes_nothing()
    {
        using (FileStream file = File.Create(_path))
        {
            file.SetLength(Length);
            file.Position = 100_000;
            file.Write("here"u8);
        }

        byte[] before = File.ReadAllBytes(_path);
        DateTime written = new(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc);
        File.SetLastWriteTimeUtc(_path, written);
        long? blocks = AllocatedBytes(_path);
        PmemFile.Open(_path, ReadOnly).Dispose();
        Assert.Equal(blocks, AllocatedBytes(_path));
        Assert.Equal(written, File.GetLastWriteTimeUtc(_path));

        PmemFile.Open(_path).Dispose();
        AssertAllocated(_path, Length);
        Assert.Equal(before, File.ReadAllBytes(_path));
    }

    [Fact]
    public void Open_refuses_what_is_missing()
    {
        Assert.Throws<FileNotFoundException>(() => PmemFile.Open(_path));
        Assert.Throws<FileNotFoundException>(() => PmemFile.Open(_path, ReadOnly));
        Assert.False(File.Exists(_path));
        Assert.Throws<DirectoryNotFoundException>(() => PmemFile.Open(Path.Combine(_path, "below")));
        Assert.Throws<DirectoryNotFoundException>(() => PmemFile.Create(Path.Combine(_path, "below"), Length));
        Assert.Throws<DirectoryNotFoundException>(() => PmemFile.OpenOrCreate(Path.Combine(_path, "below"), Length));
    }

    [Fact]
    public void A_directory_is_refused()
    {
        Assert.Contains("directory", Assert.Throws<PCacheException>(() => PmemFile.Open(_directory.FullPath)).Message,
            StringComparison.Ordinal);
        Assert.Throws<PCacheException>(() => PmemFile.Create(_directory.FullPath, Length));
        Assert.Throws<PCacheException>(() => PmemFile.OpenOrCreate(_directory.FullPath, Length));
    }

    [Theory]
    [InlineData(0, "empty")]
    [InlineData(1, "1 bytes")]
    [InlineData(4095, "4095 bytes")]
    public void Short_files_are_refused_and_left_as_they_are(int length, string named)
    {
        File.WriteAllBytes(_path, new byte[length]);
        Assert.Contains(named, Assert.Throws<PCacheException>(() => PmemFile.Open(_path)).Message,
            StringComparison.Ordinal);
        Assert.Contains(named, Assert.Throws<PCacheException>(() => PmemFile.Open(_path, ReadOnly)).Message,
            StringComparison.Ordinal);
        Assert.Equal(length, new FileInfo(_path).Length);
        AssertNotLocked();
    }

    [Fact]
    public void Odd_lengths_are_mapped_whole()
    {
        byte[] content = new byte[4096 + 515];
        new Random(10).NextBytes(content);
        File.WriteAllBytes(_path, content);
        using (PmemRegion region = PmemFile.Open(_path, new PmemFileOptions { PowerSafe = true }))
        {
            Assert.True(region.ReadSpan(0, content.Length).SequenceEqual(content));
            region.WriteDurably(content.Length - 3, "end"u8);
            Assert.Throws<ArgumentOutOfRangeException>(() => region.Write(content.Length - 3, "ends"u8));
        }

        "end"u8.CopyTo(content.AsSpan(content.Length - 3));
        Assert.Equal(content, File.ReadAllBytes(_path));
    }

    [Fact]
    public void Open_or_create_does_either()
    {
        using (PmemRegion region = PmemFile.OpenOrCreate(_path, Length))
        {
            region.WriteDurably(0, "first"u8);
        }

        using (PmemRegion region = PmemFile.OpenOrCreate(_path, 2 * Length))
        {
            Assert.Equal(Length, region.LengthBytes);
            Assert.True(region.ReadSpan(0, 5).SequenceEqual("first"u8));
        }
    }

    [Fact]
    public void Open_or_create_completes_an_empty_file()
    {
        File.WriteAllBytes(_path, []);
        using (PmemRegion region = PmemFile.OpenOrCreate(_path, Length))
        {
            Assert.Equal(Length, region.LengthBytes);
        }

        File.WriteAllBytes(_path, new byte[7]);
        Assert.Throws<PCacheException>(() => PmemFile.OpenOrCreate(_path, Length));
        Assert.Equal(7, new FileInfo(_path).Length);
    }

    [Fact]
    public void A_writer_excludes_everyone()
    {
        using (PmemFile.Create(_path, Length))
        {
            Assert.Throws<PCacheInUseException>(() => PmemFile.Open(_path));
            Assert.Throws<PCacheInUseException>(() => PmemFile.Open(_path, ReadOnly));
            Assert.Throws<PCacheInUseException>(() => PmemFile.OpenOrCreate(_path, Length));
        }

        AssertNotLocked();
    }

    [Fact]
    public void Readers_share_and_exclude_writers()
    {
        PmemFile.Create(_path, Length).Dispose();
        using (PmemFile.Open(_path, ReadOnly))
        {
            using (PmemFile.Open(_path, ReadOnly))
            {
                Assert.Throws<PCacheInUseException>(() => PmemFile.Open(_path));
            }

            Assert.Throws<PCacheInUseException>(() => PmemFile.Open(_path));
        }

        AssertNotLocked();
    }

    [Fact]
    public void Dax_is_refused_where_it_cannot_be_given()
    {
        PmemFileOptions dax = new() { Persistence = Persistence.Dax };
        Assert.Throws<PCacheException>(() => PmemFile.Create(_path, Length, dax));
        Assert.False(File.Exists(_path));
        Assert.Throws<PCacheException>(() => PmemFile.OpenOrCreate(_path, Length, dax));
        Assert.False(File.Exists(_path));

        File.WriteAllBytes(_path, []);
        Assert.Throws<PCacheException>(() => PmemFile.OpenOrCreate(_path, Length, dax));
        Assert.Equal(0, new FileInfo(_path).Length);

        File.Delete(_path);
        PmemFile.Create(_path, Length).Dispose();
        Assert.Contains(OperatingSystem.IsLinux() ? "MAP_SYNC"
            : "Dax", Assert.Throws<PCacheException>(() => PmemFile.Open(_path, dax)).Message, StringComparison.Ordinal);
        Assert.Throws<PCacheException>(() => PmemFile.Open(_path, dax with { ReadOnly = true }));
        AssertNotLocked();
    }

    [Fact]
    public void A_full_disk_is_an_error_and_leaves_nothing()
    {
        if (!Directory.Exists("/dev/shm"))
        {
            return;
        }

        using TemporaryDirectory memory = new("/dev/shm");
        string path = memory.File("too-large");
        long length = new DriveInfo("/dev/shm").TotalSize + (1L << 40);
        IOException e = Assert.ThrowsAny<IOException>(() => PmemFile.Create(path, length));
        Assert.Contains(path, e.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(path));

        using (FileStream file = File.Create(path))
        {
            file.SetLength(length);
        }

        Assert.ThrowsAny<IOException>(() => PmemFile.Open(path));
        Assert.Equal(length, new FileInfo(path).Length);
        using PmemRegion region = PmemFile.Open(path, ReadOnly);
        Assert.Equal(length, region.LengthBytes);
    }

    [Fact]
    public void A_length_no_file_can_have_is_an_error_and_leaves_nothing()
    {
        Assert.ThrowsAny<IOException>(() => PmemFile.Create(_path, long.MaxValue));
        Assert.False(File.Exists(_path));
    }

    [Fact]
    public void Bad_arguments_are_refused_before_anything_happens()
    {
        Assert.Throws<ArgumentNullException>(() => PmemFile.Open(null!));
        Assert.Throws<ArgumentException>(() => PmemFile.Open(string.Empty));
        Assert.Throws<ArgumentOutOfRangeException>(() => PmemFile.Create(_path, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => PmemFile.Create(_path, PmemFile.MinLengthBytes - 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => PmemFile.OpenOrCreate(_path, -1));
        Assert.Throws<ArgumentException>(() => PmemFile.Create(_path, Length, ReadOnly));
        Assert.Throws<ArgumentException>(() => PmemFile.OpenOrCreate(_path, Length, ReadOnly));
        Assert.Throws<ArgumentException>(() =>
            PmemFile.Create(_path, Length, new PmemFileOptions { Persistence = Persistence.Volatile }));
        Assert.Throws<ArgumentException>(() =>
            PmemFile.Create(_path, Length, new PmemFileOptions { Persistence = (Persistence)9 }));
        Assert.Throws<ArgumentException>(() => PmemFile.Create(_path, Length,
            new PmemFileOptions { Persistence = Persistence.Assumed, PowerSafe = true }));
        Assert.Throws<ArgumentException>(() =>
            PmemFile.Create(_path, Length, new PmemFileOptions { Persistence = Persistence.Dax, PowerSafe = true }));
        Assert.False(File.Exists(_path));
    }

    [Fact]
    public void A_file_cut_while_in_use_fails_metadata_reads()
    {
        using PmemRegion region = PmemFile.Create(_path, Length);
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        // As a program that doesn't ask for the lock would.
        using (Process truncate = Process.Start("truncate", ["-s", "8192", _path]))
        {
            truncate.WaitForExit();
            Assert.Equal(0, truncate.ExitCode);
        }

        region.ReadMetadata(4096, new byte[4096]);
        Assert.Throws<IOException>(() => region.ReadMetadata(8192 - 4, new byte[8]));
    }

    [Fact]
    public void Refusals_leave_no_descriptor()
    {
        const string Descriptors = "/proc/self/fd";
        if (!Directory.Exists(Descriptors))
        {
            return;
        }

        File.WriteAllBytes(_path, new byte[100]);
        string sound = _directory.File("sound");
        using PmemRegion region = PmemFile.Create(sound, Length);
        for (int i = 0; i < 3; i++)
        {
            Assert.Throws<PCacheException>(() => PmemFile.Open(_path));
            Assert.Throws<PCacheInUseException>(() => PmemFile.Open(sound));
            Assert.Throws<PCacheException>(() =>
                PmemFile.Create(_directory.File("dax"), Length, new PmemFileOptions { Persistence = Persistence.Dax }));
        }

        string[] open = [.. Directory.GetFiles(Descriptors)
            .Select(link => new FileInfo(link).LinkTarget ?? string.Empty)
            .Where(target => target.StartsWith(_directory.FullPath, StringComparison.Ordinal))];
        Assert.Equal([sound], open);
        string mapped = Assert.Single(File.ReadAllLines("/proc/self/maps"), line =>
            line.Contains(_directory.FullPath, StringComparison.Ordinal));
        Assert.Contains(sound, mapped, StringComparison.Ordinal);
        region.Dispose();
        Assert.DoesNotContain(File.ReadAllLines("/proc/self/maps"), line =>
            line.Contains(_directory.FullPath, StringComparison.Ordinal));
    }

    private static long? AllocatedBytes(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            return null;
        }

        using Process stat = Process.Start(
            new ProcessStartInfo("stat", ["-c", "%b", path]) { RedirectStandardOutput = true })!;
        string blocks = stat.StandardOutput.ReadToEnd();
        stat.WaitForExit();
        return long.Parse(blocks, System.Globalization.CultureInfo.InvariantCulture) * 512;
    }

    private static void AssertAllocated(string path, long length)
    {
        if (AllocatedBytes(path) is { } bytes)
        {
            Assert.True(bytes >= length, $"{bytes} of {length} bytes are allocated");
        }
    }

    private void AssertNotLocked() =>
        File.OpenHandle(_path, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();

    [LibraryImport("libc", EntryPoint = "dup", SetLastError = true)]
    private static partial int Duplicate(int descriptor);
}
