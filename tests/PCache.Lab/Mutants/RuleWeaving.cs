// Keeps true: what is woven is a copy; a file is touched only if its content changes, so what is up to date isn't
// compiled anew; a row that can't be woven is told with its table, line and rule, and nothing is woven then.
using System.Globalization;
using System.Text;

namespace PCache.Lab.Mutants;

/// <summary>
/// Makes the copies of sources that the checked build compiles: every rule behind its switch; and the enum of the
/// rules.
/// </summary>
internal static class RuleWeaving
{
    private const string Switch = "global::PCache.Core.Checked.Mutation.Is(global::PCache.Core.Checked.Rule.";
    private const string ProbeSwitch = "global::PCache.Core.Checked.Mutation.IsProbed";

    /// <summary>
    /// Weaves all rules into copies of sources below a folder. Returns what is wrong with the table, in the form of
    /// compilers' messages.
    /// </summary>
    public static List<string> Run(string root, string folder)
    {
        Dictionary<string, string> copies = new()
        {
            ["Rule.cs"] = EnumOf("Rule", "What can be broken",
                RuleTable.All.Select(rule => (rule.Name, $"{rule.Where}: {rule.What}"))),
            ["Moment.cs"] = EnumOf("Moment", "When a check can come between",
                RuleTable.Probes.Select(probe => (probe.Name, probe.What))),
        };
        List<string> wrong = [];
        IEnumerable<(string Name, string Condition, Change Change)> all = RuleTable.All
            .SelectMany(rule => rule.Changes.Select(change => ($"rule {rule.Name}", $"{Switch}{rule.Name})", change)))
            .Concat(RuleTable.Probes.Select(probe => ($"probe {probe.Name}", ProbeSwitch, (Change)probe)));
        foreach (IGrouping<string, (string Name, string Condition, Change Change)> file in all.GroupBy(entry =>
            entry.Change.File))
        {
            string? source = Read(root, file.Key);
            int before = wrong.Count;
            wrong.AddRange(Check(root, source, [.. file.Select(entry => (entry.Name, entry.Change))]));
            if (wrong.Count == before)
            {
                copies.Add(
                    file.Key["src/".Length..],
                    Heading(root, file.Key) + Weaving.Weave(source!,
                        file.Select(entry => (entry.Condition, entry.Change))));
            }
        }

        if (wrong.Count == 0)
        {
            Replace(folder, copies);
        }

        return wrong;
    }

    /// <summary>What can't be woven of the changes of one file.</summary>
    public static IEnumerable<string> Check(string root, string? source, (string Name, Change Change)[] changes)
    {
        (string Name, Change Change)[] wrong =
            [.. changes.Where(entry => source is null || entry.Change.CountIn(source) != 1)];
        foreach ((string name, Change change) in wrong)
        {
            string stands = source is null ? "there is no such file"
                : $"its text stands {change.CountIn(source)} times in it instead of once";
            yield return Message(change, $"{name}: {change.File}: {stands}{NearestTo(root, change)}");
        }

        if (wrong.Length > 0)
        {
            yield break;
        }

        for (int i = 0; i < changes.Length; i++)
        {
            for (int j = 0; j < i; j++)
            {
                if (changes[i].Change.Overlaps(changes[j].Change, source!))
                {
                    yield return Message(
                        changes[i].Change,
                        $"{changes[i].Name}: {changes[i].Change.File}: what it changes overlaps with what "
                            + $"{changes[j].Name} changes");
                }
            }
        }
    }

    /// <summary>Where a text is that isn't where its row says, or the place that has most of its lines.</summary>
    public static string NearestTo(string root, Change change)
    {
        (string File, string Source)[] sources =
        [
            .. Directory.EnumerateFiles(Path.Combine(root, "src", change.Product), "*.cs", SearchOption.AllDirectories)
                .Select(file => Path.GetRelativePath(root, file).Replace('\\', '/'))
                .Where(file => !file.Contains("/obj/", StringComparison.Ordinal)
                    && !file.Contains("/bin/", StringComparison.Ordinal))
                .OrderByDescending(file => file == change.File)
                .Select(file => (file, Read(root, file)!)),
        ];
        string[] whole = [.. sources.Where(source => change.CountIn(source.Source) == 1).Select(source => source.File)];
        if (whole.Length > 0)
        {
            return $"; it stands once in {string.Join(", ", whole)}: has the code moved?";
        }

        string longest = change.Context.Split('\n').Select(line => line.Trim()).MaxBy(line => line.Length)!;
        for (int length = longest.Length; length >= 12; length = length * 2 / 3)
        {
            foreach (string part in (string[])[longest[..length], longest[^length..]])
            {
                if (sources.FirstOrDefault(source => source.Source.Contains(part,
                    StringComparison.Ordinal)) is { File: { } file, Source: { } text })
                {
                    int line = text[..text.IndexOf(part, StringComparison.Ordinal)].Count(c => c == '\n') + 1;
                    return string.Create(CultureInfo.InvariantCulture, $"; the nearest is {file}({line}): \"{part}\"");
                }
            }
        }

        return "; nothing in the product is like it";
    }

    private static string Message(Change change, string text)
    {
        string at = change.Line > 0 ? string.Create(CultureInfo.InvariantCulture, $"{change.Table}({change.Line})")
            : change.File;
        return $"{at}: error MUTANT: {text}";
    }

    private static string? Read(string root, string file)
    {
        string path = Path.Combine(root, file);
        return File.Exists(path) ? File.ReadAllText(path).ReplaceLineEndings("\n") : null;
    }

    /// <summary>Messages and stack traces tell the place in the source itself.</summary>
    private static string Heading(string root, string file) =>
        $"#line 1 \"{Path.GetFullPath(Path.Combine(root, file))}\"\n";

    private static string EnumOf(string name, string what, IEnumerable<(string Name, string What)> members)
    {
        var text = new StringBuilder("namespace PCache.Core.Checked;\n\n");
        text.Append(CultureInfo.InvariantCulture, $"/// <summary>{what}.</summary>\ninternal enum {name}\n{{\n");
        text.Append("    /// <summary>Nothing.</summary>\n    None,\n");
        foreach ((string member, string says) in members)
        {
            text.Append(CultureInfo.InvariantCulture, $"\n    /// <summary>{Escape(says)}.</summary>\n    {member},\n");
        }

        return text.Append("}\n").ToString();
    }

    private static string Escape(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal);

    private static void Replace(string folder, Dictionary<string, string> copies)
    {
        Directory.CreateDirectory(folder);
        foreach (string gone in Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Where(file => !copies.ContainsKey(Path.GetRelativePath(folder, file).Replace('\\', '/'))).ToArray())
        {
            File.Delete(gone);
        }

        foreach ((string file, string content) in copies)
        {
            string path = Path.Combine(folder, file);
            if (!File.Exists(path) || File.ReadAllText(path) != content)
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                File.WriteAllText(path, content);
            }
        }
    }
}
