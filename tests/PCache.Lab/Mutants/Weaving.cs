// Keeps true: with nothing switched on, woven sources do what they did, line by line; each place has all its changes,
// and no two places of one copy overlap.
using System.Text;

namespace PCache.Lab.Mutants;

/// <summary>
/// Puts many changes into one build, each behind a condition that is switched on at run time: compiling takes longer
/// than testing by far. Source mutants whose places overlap go into different builds (waves).
/// </summary>
internal static class Weaving
{
    /// <summary>Where the switch of source mutants is, in each woven project.</summary>
    public const string SwitchType = "PCacheWoven.Mutation";

    /// <summary>The switch itself.</summary>
    public const string SwitchField = "Current";

    /// <summary>The source of the switch.</summary>
    public const string SwitchSource = """
        namespace PCacheWoven;

        internal static class Mutation
        {
            internal static volatile int Current;

            public static bool Is(int number) => Current == number;
        }
        """;

    /// <summary>Whether the source mutant with this number is switched on.</summary>
    public static string IsNumber(int number) => FormattableString.Invariant($"global::{SwitchType}.Is({number})");

    /// <summary>Divides mutants into waves.</summary>
    public static List<List<Mutant>> Waves(IReadOnlyList<Mutant> mutants, Func<string, string> read)
    {
        List<List<Mutant>> waves = [];
        foreach (Mutant mutant in mutants)
        {
            List<Mutant>? wave = waves.Find(
                wave => wave.TrueForAll(other =>
                    other.File != mutant.File || !mutant.Overlaps(other, read(mutant.File))));
            if (wave is null)
            {
                waves.Add(wave = []);
            }

            wave.Add(mutant);
        }

        return waves;
    }

    /// <summary>The source of a file with changes, each by the condition that switches it on.</summary>
    public static string Weave(string source, IEnumerable<(string Condition, Change Change)> changes)
    {
        // From the end, so that places before stay where they are; what is put in where something else begins stands
        // before it.
        foreach (IGrouping<(int Start, int Length), (string Condition, Change Change)> place in
            changes.GroupBy(entry => entry.Change.PlaceIn(source))
                .OrderByDescending(place => place.Key.Start).ThenByDescending(place => place.Key.Length).ToArray())
        {
            int end = place.Key.Start + place.Key.Length;
            source = source[..place.Key.Start] + Woven([.. place], source[place.Key.Start..end]) + source[end..];
        }

        return source;
    }

    private static string Woven((string Condition, Change Change)[] changes, string old)
    {
        Change first = changes[0].Change;
        return first.IsInsertion ? Statements(changes, "") + " "
            : first.IsArrow ? "{ " + Statements(changes, old[2..].Trim()) + " }"
            : first.IsStatement ? Statements(changes, old)
            : Expression(changes, old);
    }

    private static string Statements((string Condition, Change Change)[] changes, string old)
    {
        var text = new StringBuilder();
        foreach ((string condition, Change change) in changes)
        {
            text.Append(text.Length > 0 ? " else " : "").Append("if (").Append(condition).Append(") { ")
                .Append(OneLine(change.New)).Append(" }");
        }

        return old.Length == 0 ? text.ToString() : text.Append(" else { ").Append(old).Append(" }").ToString();
    }

    private static string Expression((string Condition, Change Change)[] changes, string old)
    {
        var text = new StringBuilder("(");
        foreach ((string condition, Change change) in changes)
        {
            text.Append(condition).Append(" ? (").Append(OneLine(change.New)).Append(") : ");
        }

        return text.Append('(').Append(old).Append("))").ToString();
    }

    /// <summary>So that the lines behind it keep their numbers.</summary>
    private static string OneLine(string text) => string.Join(' ', text.Split('\n').Select(line => line.Trim()));
}
