using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Tests.Files;

/// <summary>Which file it is, whatever it is called; checked against what the runtime says of the same file.</summary>
public sealed class FileFactsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pcache-files-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Facts_are_what_the_runtime_says()
    {
        if (!FileFacts.IsSupported)
        {
            return;
        }

        string path = Write("a", 12_345);
        using SafeFileHandle file = File.OpenHandle(path);
        FileFacts facts = FileFacts.Of(file)!;

        Assert.Equal(FileKind.Regular, facts.Kind);
        Assert.Equal(12_345, facts.LengthBytes);
        Assert.Equal(1, facts.Links);
        Assert.InRange((File.GetLastWriteTimeUtc(path) - DateTime.UnixEpoch).Ticks * 100 - facts.ModifiedNanoseconds,
            -100, 100);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherExecute);
            Assert.Equal(File.GetUnixFileMode(file), FileFacts.Of(file)!.Mode);
        }
    }

    [Fact]
    public void Every_name_of_a_file_leads_to_one_identity_and_another_file_to_another()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        string path = Write("a", 1);
        string other = Write("b", 1);
        string link = Path.Combine(_folder, "link");
        File.CreateSymbolicLink(link, path);
        using SafeFileHandle file = File.OpenHandle(path);
        FileIdentity identity = FileFacts.Of(file)!.Identity;

        Assert.Equal(identity, FileFacts.TryOfPath(path)!.Identity);
        Assert.Equal(identity, FileFacts.TryOfPath(link)!.Identity);
        Assert.Equal(FileKind.Link, FileFacts.TryOfPath(link, followLinks: false)!.Kind);
        Assert.NotEqual(identity, FileFacts.TryOfPath(other)!.Identity);
        Assert.True(FileFacts.IsNamed(file, link));

        File.Move(other, path, overwrite: true);
        Assert.False(FileFacts.IsNamed(file, path));
        Assert.Equal(0, FileFacts.Of(file)!.Links);
        File.Delete(path);
        Assert.False(FileFacts.IsNamed(file, path));
        Assert.Null(FileFacts.TryOfPath(path));
        Assert.Null(FileFacts.TryOfPath(path + "/below-a-file"));
    }

    [Theory]
    [InlineData("/dev/null", FileKind.Character)]
    [InlineData("/", FileKind.Directory)]
    public void What_is_no_file_is_told(string path, object kind)
    {
        if (OperatingSystem.IsLinux())
        {
            Assert.Equal(kind, FileFacts.TryOfPath(path)!.Kind);
        }
    }

    private string Write(string name, int lengthBytes)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, new byte[lengthBytes]);
        return path;
    }
}
