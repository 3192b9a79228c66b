// Keeps true: a change is told by a text that stands in its file exactly once, however its lines are broken and
// indented, and has the changed part in it.
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.RegularExpressions;

namespace PCache.Lab.Mutants;

/// <summary>A change of one source file.</summary>
/// <param name="File">From the repository's root, with slashes.</param>
/// <param name="Text">Stands in the file once; what is changed is between « and », or all of it: an expression;
/// statements, which then declare nothing that is used behind them; an arrow body (from => to ;) without result; or
/// nothing, where statements are put in.</param>
/// <param name="New">What is put there.</param>
/// <param name="Table">The table that has the change, for messages.</param>
/// <param name="Line">Its line there; 0: unknown.</param>
internal record Change(string File, string Text, string New, [CallerFilePath] string Table =
    "", [CallerLineNumber] int Line = 0)
{
    /// <summary>The project that has the file: src/NAME.</summary>
    public string Product => File.Split('/')[1];

    /// <summary>What has to stand in the file.</summary>
    public string Context =>
        Text.Replace("«", "", StringComparison.Ordinal).Replace("»", "", StringComparison.Ordinal);

    /// <summary>What is changed of it.</summary>
    public string Old => Text.Contains('«', StringComparison.Ordinal)
        ? Text[(Text.IndexOf('«', StringComparison.Ordinal) + 1)..Text.IndexOf('»', StringComparison.Ordinal)]
        : Text;

    /// <summary>Whether statements are put in, and nothing is taken away.</summary>
    public bool IsInsertion => Old.Length == 0;

    /// <summary>Whether the changed part is a body that begins with an arrow.</summary>
    public bool IsArrow => Old.StartsWith("=>", StringComparison.Ordinal);

    /// <summary>Whether the changed part is statements; else it is an expression.</summary>
    public bool IsStatement =>
        IsInsertion || Old.TrimEnd().EndsWith(';')
            || (Old.TrimEnd().EndsWith('}') && (New.Length == 0 || New.TrimEnd()[^1] is ';' or '}'));

    /// <summary>Finds the changed part in a source that has the text once.</summary>
    public (int Start, int Length) PlaceIn(string source)
    {
        Group part = Pattern().Match(source).Groups["old"];
        return (part.Index, part.Length);
    }

    /// <summary>How often the text stands in a source.</summary>
    public int CountIn(string source) => Pattern().Count(source);

    /// <summary>Whether two changes of one file can't be woven into the same copy.</summary>
    public bool Overlaps(Change other, string source)
    {
        (int a, int aLength) = PlaceIn(source);
        (int b, int bLength) = other.PlaceIn(source);
        return (a != b || aLength != bLength) && a < b + bLength && b < a + aLength;
    }

    private Regex Pattern()
    {
        int begin = Text.IndexOf('«', StringComparison.Ordinal);
        int end = Text.IndexOf('»', StringComparison.Ordinal);
        return new Regex(begin < 0
            ? $"(?<old>{Escape(Text)})"
            : $"{Escape(Text[..begin])}(?<old>{Escape(Text[(begin + 1)..end])}){Escape(Text[(end + 1)..])}");
    }

    /// <summary>
    /// Lines may be broken and indented as they like: a run of white space matches any other, and where a line may be
    /// broken without one (behind an opening bracket, before a closing one, around a dot) there may be some.
    /// </summary>
    private static string Escape(string text)
    {
        var pattern = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (char.IsWhiteSpace(c))
            {
                if (i + 1 == text.Length || !char.IsWhiteSpace(text[i + 1]))
                {
                    pattern.Append(@"\s+");
                }
            }
            else
            {
                pattern.Append(c is ')' or ']' or '.' ? @"\s*" : "").Append(Regex.Escape(c.ToString()))
                    .Append(c is '(' or '[' or '.' ? @"\s*" : "");
            }
        }

        return pattern.ToString();
    }
}
