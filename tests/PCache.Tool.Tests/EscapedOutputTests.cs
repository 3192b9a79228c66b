using System.Globalization;
using System.Text.Json;

namespace PCache.Tool.Tests;

/// <summary>
/// Labels, file names and what stands in images come out escaped, in every command, and are never parsed again as
/// syntax.
/// </summary>
public sealed class EscapedOutputTests : IDisposable
{
    private const string Nasty = "x\e[31mR\u009b2J\u202egnp\u2028y\u2029\u0085\r\t\u200fstate clean";
    private readonly ToolDirectory _directory = new();

    public static TheoryData<string> LineBreaks => ["\n", "\r\n", "\r", "\u2028", "\u2029", "\u0085", "\v", "\f"];

    public void Dispose() => _directory.Dispose();

    [Fact]
    public void A_label_is_one_line_in_every_command()
    {
        string cache = _directory["c"];
        AllSafe(ToolRun.Run("format", cache, "--size", "1M", "--segment-size", "64K", "--label", "a\nlabel b\e[1m")
            .Expect(0));
        AllSafe(ToolRun.Run("set", cache, "--label", Nasty).Expect(0));
        ToolRun status = ToolRun.Run("status", cache).Expect(0);
        AllSafe(status);
        Assert.Contains(@"label           x\u001b[31mR\u009b2J\u202egnp\u2028y\u2029\u0085\r\t\u200fstate clean",
            status.Out, StringComparison.Ordinal);
        Assert.Equal(Nasty, ToolRun.Run("status", cache, "--json").Expect(0).Json().GetProperty("label").GetString());
        AllSafe(ToolRun.Run("status", cache, "--json"));
    }

    [Fact]
    public void File_names_are_one_line_in_every_command_and_error()
    {
        string folder = _directory["f\nerror: all is well\e[2J\u202e"];
        Directory.CreateDirectory(folder);
        string Name(string name) => Path.Combine(folder, name);
        File.WriteAllBytes(Name("b"), new byte[1 << 20]);
        File.WriteAllBytes(Name("rubbish"), SectorPattern.Make(0, 100, 1));
        File.WriteAllBytes(Name("i"), new byte[4096]);
        File.WriteAllText(Name("l"), "no list");
        string[][] lines =
        [
            ["format", Name("c"), "--size", "1M", "--segment-size", "64K"],
                ["format", Name("c"), "--size", "1M", "--segment-size", "64K"],
                ["format", folder, "--size", "1M", "--segment-size", "64K"],
            ["format", Path.Combine(Name("none"), "c"), "--size", "1M", "--segment-size", "64K"],
            ["write", Name("c"), Name("b"), "--input", Name("i")],
                ["write", Name("c"), Name("b"), "--input", Name("none")],
                ["write", Name("c"), Name("none"), "--input", Name("i")],
            ["status", Name("c")], ["status", Name("rubbish")], ["status", Name("none")], ["status", Name("i")],
                ["check", Name("c"), "--linux"], ["check", Name("rubbish")], ["check", folder],
            ["check", Name("c"), "--backing", Name("none")], ["dump", Name("c"), "--keys"], ["dump", Name("none")],
            ["read", Name("c"), Name("b"), "--output", Name("c"), "--force"],
                ["read", Name("c"), Name("b"), "--output", Name("o")],
                ["read", Name("c"), Name("b"), "--output", Name("o")],
            ["export", Name("c"), "--output", Name("e"), "--list", Name("list")],
                ["export", Name("rubbish"), "--output", Name("e2")], ["export", Name("c"), "--output", folder],
            ["apply", Name("e"), Name("b"), "--list", Name("l")],
                ["apply", Name("e"), Name("b"), "--list", Name("none")],
                ["apply", Name("none"), Name("b"), "--list", Name("l")],
            ["bind", Name("c"), Name("b")], ["bind", Name("c"), Name("c")], ["set", Name("none"), "--gc-percent", "3"],
                ["writeback", Name("c"), Name("none")], ["writeback", Name("c"), Name("b")],
            ["bench", "--cache", Name("c")], ["bench", "--cache", Path.Combine(Name("none"), "c")],
                ["demo", "--dir", Name("c")],
            ["x\nerror: y\e[1m"], ["status", Name("c"), "--json\e[1m\n"], ["format", Name("c"), "--size", "1\n\e[1mM"],
                ["read", Name("c"), Name("b"), "--output", "o", "--damaged", "a\nb"],
        ];
        foreach (string[] line in lines)
        {
            AllSafe(ToolRun.Run(line), string.Join(' ', line));
        }
    }

    [Theory]
    [MemberData(nameof(LineBreaks))]
    public void A_name_makes_no_line_of_a_list(string lineBreak)
    {
        string name = $"c{lineBreak}0 4096 sound dirty 1:0 0 fits{lineBreak}#.img";
        string list = Export(name, "L");
        Assert.Equal(3, list.TrimEnd('\n').Split('\n').Length);
        Assert.Equal(2, list.Split('\n').Count(line => line.StartsWith('#')));
        AllSafe(list);
        byte[] backing = SectorPattern.Make(0, 2048, 5);
        _directory.Write("D", backing);
        ToolRun.Run("apply", _directory["E"], _directory["D"], "--list", _directory["L"]).Expect(0);
        byte[] after = File.ReadAllBytes(_directory["D"]);
        Assert.Equal(backing[..65536], after[..65536]);
        Assert.NotEqual(backing, after);

        // JSON has the true name.
        File.Delete(_directory["E"]);
        ToolRun.Run("export", _directory[name], "--output", _directory["E"], "--list", _directory["L.json"]).Expect(0);
        Assert.Equal(_directory[name],
            JsonDocument.Parse(File.ReadAllText(_directory["L.json"])).RootElement.GetProperty("cache").GetString());
    }

    [Fact]
    public void A_list_from_before_names_were_escaped_is_read_or_refused_but_never_misread()
    {
        string list = Export("c", "L");
        string[] lines = list.TrimEnd('\n').Split('\n');
        _directory.Write("D", new byte[1 << 20]);

        // Older lists: names as they are, carriage returns and all, holes and losses as comments, by hand on another
        // system.
        Apply(0, lines[0] + "\r0 4096 sound dirty 1:0 0 fits", lines[1], lines[2],
            "# hole in the log at 0:64: 64 bytes, at most 1 keys, dirty", "# lost: 0 512", string.Empty);
        Apply(0, [.. lines.Select(line => line + "\r")]);

        // A line out of a name stands before the columns are named, or names them too early, and then they are named
        // twice.
        Apply(3, lines[0], "0 4096 sound dirty 1:0 0 fits", "#.img", lines[1], lines[2]);
        Apply(3, lines[0], lines[1], "0 4096 sound dirty 1:0 0 fits", "#.img", lines[1], lines[2]);
        Apply(3, lines[1], lines[2]);
        Apply(3, lines[0]);

        // Nothing but whole lines as an export writes them.
        string range = lines[2];
        string[] wrong =
        [
            range + " more", range.Replace(" fits", string.Empty, StringComparison.Ordinal)
                .Replace(" none", string.Empty, StringComparison.Ordinal), " " + range, range
                + " ", range.Replace(' ', '\t'),
            range.Replace(" sound ", "  sound ", StringComparison.Ordinal), "+"
                + range, range.Replace("sound", "Sound", StringComparison.Ordinal),
                range.Replace("dirty", "dirt", StringComparison.Ordinal),
            range + "\u0085", range + "\u2028" + range, "\ufeff"
                + range, range.Replace(":", "/", StringComparison.Ordinal), "0x0 " + range, range + "\0",
        ];
        foreach (string line in wrong)
        {
            Apply(3, lines[0], lines[1], line);
        }

        void Apply(int exitCode, params string[] all)
        {
            File.WriteAllText(_directory["L"], string.Join('\n', all) + "\n");
            ToolRun run = ToolRun.Run("apply", _directory["E"], _directory["D"], "--list", _directory["L"]);
            Assert.True(run.ExitCode == exitCode,
                string.Create(CultureInfo.InvariantCulture, $"{run.ExitCode}: {run.Error}\n{string.Join('\n', all)}"));
        }
    }

    private string Export(string name, string list)
    {
        ToolRun.Run("format", _directory[name], "--size", "1M", "--segment-size", "64K").Expect(0);
        _directory.Write("B", new byte[1 << 20]);
        _directory.Write("I", SectorPattern.Make(0, 8, 3));
        ToolRun.Run("write", _directory[name], _directory["B"], "--input", _directory["I"], "--offset", "64K")
            .Expect(0);
        AllSafe(ToolRun.Run("export", _directory[name], "--output", _directory["E"], "--list", _directory[list])
            .Expect(0));
        return File.ReadAllText(_directory[list]);
    }

    private static void AllSafe(ToolRun run, string? about = null)
    {
        AllSafe(run.Out, about);
        AllSafe(run.Error, about);
        foreach (string line in run.Error.TrimEnd('\n').Split('\n'))
        {
            Assert.False(line.StartsWith("error: all is well", StringComparison.Ordinal), about);
        }

        Assert.True(run.ExitCode is 0 or 1 || run.Error.TrimEnd('\n').Split('\n').Length == 1, about + "\n"
            + run.Error);
    }

    private static void AllSafe(string text, string? about = null)
    {
        foreach (char c in text)
        {
            UnicodeCategory category = CharUnicodeInfo.GetUnicodeCategory(c);
            Assert.False(
                c != (char)10 && category is (UnicodeCategory.Control or UnicodeCategory.Format
                    or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator),
                    $"U+{(int)c:X4} in: {about}\n{text}");
        }
    }
}
