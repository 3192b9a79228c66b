using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;
using static System.IO.UnixFileMode;

namespace PCache.Core.Tests.Files;

/// <summary>
/// Files that no other user may look into, also not for a moment, and names that others may have taken.
/// </summary>
public sealed class PrivateFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pcache-files-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_new_file_is_its_owners_alone_until_it_is_given_its_models_rights()
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        string model = Name("model");
        File.WriteAllText(model, "");
        File.SetUnixFileMode(model, UserRead | UserWrite | UserExecute | GroupRead | OtherRead);
        using SafeFileHandle file = PrivateFile.CreateNew(Name("new"));
        Assert.Equal(UserRead | UserWrite, File.GetUnixFileMode(file));

        if (FileFacts.TryOfPath(model) is { } facts)
        {
            FileRights.Apply(file, facts);
            Assert.Equal(UserRead | UserWrite | GroupRead | OtherRead, File.GetUnixFileMode(file));
        }
    }

    [Fact]
    public void A_new_file_is_never_one_that_was_there_nor_behind_a_link()
    {
        File.WriteAllText(Name("there"), "precious");
        Assert.ThrowsAny<IOException>(() => PrivateFile.CreateNew(Name("there")));
        if (!OperatingSystem.IsWindows())
        {
            File.CreateSymbolicLink(Name("dangling"), Name("nothing"));
            Assert.ThrowsAny<IOException>(() => PrivateFile.CreateNew(Name("dangling")));
            Assert.False(File.Exists(Name("nothing")));
        }

        Assert.Equal("precious", File.ReadAllText(Name("there")));
    }

    [Fact]
    public void A_link_is_followed_only_where_that_is_asked_for()
    {
        File.WriteAllText(Name("target"), "text");
        using (SafeFileHandle file = PrivateFile.Open(Name("target"), FileAccess.ReadWrite, followLinks: false))
        {
            Assert.Equal(4, RandomAccess.GetLength(file));
        }

        Assert.Throws<FileNotFoundException>(() => PrivateFile.Open(Name("none"), FileAccess.Read, followLinks: false));
        if (!OperatingSystem.IsWindows())
        {
            File.CreateSymbolicLink(Name("link"), Name("target"));
            PrivateFile.Open(Name("link"), FileAccess.Read, followLinks: true).Dispose();
            IOException refused = Assert.Throws<IOException>(() =>
                PrivateFile.Open(Name("link"), FileAccess.Read, followLinks: false));
            Assert.Contains("symbolic link", refused.Message, StringComparison.Ordinal);
            Assert.Throws<UnauthorizedAccessException>(() =>
                PrivateFile.Open(_folder, FileAccess.ReadWrite, followLinks: false));
        }
    }

    [Theory]
    [InlineData(UserRead | UserWrite | GroupRead | GroupWrite, true, UserRead | UserWrite | GroupRead | GroupWrite)]
    [InlineData(UserRead | UserWrite | GroupRead | GroupWrite, false, UserRead | UserWrite)]
    [InlineData(UserRead | GroupRead | OtherRead | OtherWrite, true,
        UserRead | UserWrite | GroupRead | OtherRead | OtherWrite)]
    [InlineData(UserRead | GroupRead | OtherRead | OtherWrite, false, UserRead | UserWrite | OtherRead)]
    [InlineData(UserRead | OtherRead, false, UserRead | UserWrite)]
    [InlineData(UserExecute | SetUser | GroupExecute, true, UserRead | UserWrite)]
    public void Rights_are_never_wider_than_the_models(UnixFileMode model, bool groupFits, UnixFileMode expected) =>
        Assert.Equal(expected, FileRights.Allowed(model, groupFits));

    private string Name(string name) => Path.Combine(_folder, name);
}
