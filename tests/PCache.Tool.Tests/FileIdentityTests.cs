using System.Diagnostics;

namespace PCache.Tool.Tests;

/// <summary>
/// A file is itself under every name: no command writes over what it reads, and nothing is overwritten without consent.
/// </summary>
public sealed class FileIdentityTests : IDisposable
{
    private const int Length = 256 << 10;
    private readonly ToolDirectory _directory = new();
    private readonly byte[] _content = SectorPattern.Make(0, Length / 512, 7);

    public FileIdentityTests()
    {
        Directory.CreateDirectory(_directory["real"]);
        _directory.Write("real/B", new byte[Length]);
        Run("format @real/C --size 2M --segment-size 64K").Expect(0);
        _directory.Write("I", _content[..65536]);
        Run("write @real/C @real/B --input @I").Expect(0);
    }

    public static TheoryData<string> Aliases => ["link", "hard link", "folder", "dots", "descriptor"];

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(Aliases))]
    public void No_output_is_one_of_the_inputs(string alias)
    {
        using FileStream cacheOpen = Open("real/C");
        using FileStream backingOpen = Open("real/B");
        string cache = Alias(alias, "C", cacheOpen);
        string backing = Alias(alias, "B", backingOpen);
        Run("export @real/C --output @E --list @L").Expect(0);
        string export = Move("E", alias, out FileStream exportOpen);
        string list = Move("L", alias, out FileStream listOpen);
        using (exportOpen)
        using (listOpen)
        {
            var before = Prints();
            string[] refused =
            [
                $"export @real/C --output @{cache} --force", $"export @real/C --output @X --list @{cache} --force",
                    $"export @{cache} --output @real/C --force",
                $"read @real/C @real/B --output @{cache} --force", $"read @real/C @real/B --output @{backing} --force",
                    $"read @{cache} @{backing} --output @real/B --force",
                $"writeback @real/C @{cache}", $"bind @real/C @{cache} --force", $"read @real/C @{cache} --output @X",
                    $"write @real/C @{cache} --input @I", $"write @real/C @real/B --input @{cache}",
                $"writeback @real/C @{cache} --rescue --any-backing",
                $"apply @real/E @{export} --list @real/L", $"apply @real/E @{list} --list @real/L",
            ];
            foreach (string line in refused)
            {
                Run(line).ExpectError(3);
                Assert.Equal(before, Prints());
                Assert.False(Path.Exists(_directory["X"]), line);
            }
        }
    }

    [Fact]
    public void Output_and_list_are_two_files()
    {
        Directory.CreateSymbolicLink(_directory["folder"], _directory["real"]);
        Run("export @real/C --output @real/X --list @folder/X").ExpectError(2, "same file");
        Assert.False(Path.Exists(_directory["real/X"]));
        _directory.Write("real/Y", [1, 2, 3]);
        Run("export @real/C --output @real/Y --list @folder/Y --force").ExpectError(2, "same file");
        Assert.Equal([1, 2, 3], File.ReadAllBytes(_directory["real/Y"]));
    }

    [Fact]
    public void Nothing_is_overwritten_without_force()
    {
        _directory.Write("O", [1, 2, 3]);
        foreach (string line in (string[])["read @real/C @real/B --output @O", "export @real/C --output @O",
            "export @real/C --output @X --list @O"])
        {
            Run(line).ExpectError(3, "--force");
            Assert.Equal([1, 2, 3], File.ReadAllBytes(_directory["O"]));
            Assert.False(Path.Exists(_directory["X"]));
        }

        Run("read @real/C @real/B --output @O --force").Expect(0);
        Assert.Equal(_content[..65536], File.ReadAllBytes(_directory["O"])[..65536]);
        Run("export @real/C --output @O --force").Expect(0);

        // An empty file is what mktemp makes.
        _directory.Write("T", []);
        Run("read @real/C @real/B --output @T").Expect(0);
        Assert.Equal(Length, new FileInfo(_directory["T"]).Length);
    }

    [Fact]
    public void A_link_that_leads_nowhere_makes_no_file()
    {
        File.CreateSymbolicLink(_directory["dangling"], _directory["elsewhere"]);
        Run("read @real/C @real/B --output @dangling").ExpectError(3);
        Run("export @real/C --output @dangling").ExpectError(3);
        Assert.False(Path.Exists(_directory["elsewhere"]));
    }

    [Fact]
    public void A_new_output_has_no_wider_rights_than_the_cache()
    {
        if (OperatingSystem.IsWindows())
        {
            return; // a new file has its folder's rights there
        }

        File.SetUnixFileMode(_directory["real/C"],
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        Run("export @real/C --output @E --list @L").Expect(0);
        Run("read @real/C @real/B --output @O").Expect(0);
        foreach (string name in (string[])["E", "L", "O"])
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead,
                File.GetUnixFileMode(_directory[name]));
        }
    }

    [Fact]
    public void An_output_that_fails_is_gone_and_one_that_was_there_is_empty()
    {
        // A range outside the device is found out before anything is opened; damage in the middle isn't.
        Run("read @real/C @real/B --output @O --offset 1G").ExpectError(2);
        Assert.False(Path.Exists(_directory["O"]));
        using var folder = new SmallFileSystem(_directory["small"], 1 << 20);
        if (!folder.IsThere)
        {
            return; // needs the right to mount
        }

        _directory.Write("real/Big", new byte[4 << 20]);
        Run("format @real/D --size 4M --segment-size 256K").Expect(0);
        _directory.Write("I2", SectorPattern.Make(0, 4096, 9));
        Run("write @real/D @real/Big --input @I2 --offset 1M").Expect(0);
        ToolRun read = Run("read @real/D @real/Big --output @small/O").ExpectError(3, "Nothing was written");
        Assert.False(Path.Exists(_directory["small/O"]), read.Error);
        Run("export @real/D --output @small/O --list @small/L").ExpectError(3, "Neither export nor list is left");
        Assert.False(Path.Exists(_directory["small/O"]) || Path.Exists(_directory["small/L"]));
        _directory.Write("small/K", [1]);
        Run("read @real/D @real/Big --output @small/K --force").ExpectError(3);
        Assert.Equal(0, new FileInfo(_directory["small/K"]).Length);
    }

    [Fact]
    public void A_loop_device_over_an_input_is_that_input()
    {
        string? loop = SmallFileSystem.Ask("losetup", "--find", "--show", _directory["real/C"]);
        if (loop is null)
        {
            return; // needs the right to set one up
        }

        try
        {
            var before = _directory.Print("real/C");
            ToolRun.Run("read", _directory["real/C"], _directory["real/B"], "--output", loop, "--force")
                .ExpectError(3, "is the cache itself");
            ToolRun.Run("export", _directory["real/C"], "--output", loop, "--force")
                .ExpectError(3, "is the cache itself");
            Assert.Equal(before, _directory.Print("real/C"));
        }
        finally
        {
            SmallFileSystem.Ask("losetup", "--detach", loop);
        }
    }

    private FileStream Open(string name) =>
        new(_directory[name], FileMode.Open, FileAccess.Read, FileShare.ReadWrite, 0);

    private object Prints() => (_directory.Print("real/C"), _directory.Print("real/B"),
        _directory.Print("real/E").Hash, _directory.Print("real/L").Hash);

    private string Move(string name, string alias, out FileStream open)
    {
        File.Move(_directory[name], _directory["real/" + name]);
        open = Open("real/" + name);
        return Alias(alias, name, open);
    }

    /// <summary>Another name for a file in "real".</summary>
    private string Alias(string kind, string name, FileStream open)
    {
        switch (kind)
        {
            case "link":
                File.CreateSymbolicLink(_directory[name + "-link"], _directory["real/" + name]);
                return name + "-link";
            case "hard link":
                Process.Start("ln", [_directory["real/" + name], _directory[name + "-hard"]]).WaitForExit();
                return name + "-hard";
            case "folder":
                if (!Path.Exists(_directory["folder"]))
                {
                    Directory.CreateSymbolicLink(_directory["folder"], _directory["real"]);
                }

                return "folder/" + name;
            case "descriptor":
                return $"/proc/self/fd/{open.SafeFileHandle.DangerousGetHandle()}";
            default:
                return $"real/../real/./{name}";
        }
    }

    /// <summary>Runs a line in which names of files begin with @.</summary>
    private ToolRun Run(string line) =>
        ToolRun.Run([.. line.Split(' ')
            .Select(word => word.StartsWith("@/", StringComparison.Ordinal) ? word[1..] : word.StartsWith('@')
            ? _directory[word[1..]] : word)]);
}
