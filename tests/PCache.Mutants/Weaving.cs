// Keeps true: with no mutant switched on, woven sources do what they did; each place has all its mutants, and no two
// places of a wave overlap.
using System.Globalization;
using System.Text;

namespace PCache.Mutants;

/// <summary>
/// Puts many mutants into one build, each behind a number that is switched on at run time: compiling takes longer than
/// testing by far. Those whose places overlap
/// go into different builds (waves).
/// </summary>
internal static class Weaving
{
    /// <summary>Where the switch is, in each woven project.</summary>
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

    /// <summary>Divides mutants into waves.</summary>
    public static List<List<Mutant>> Waves(IReadOnlyList<Mutant> mutants, Func<string, string> read)
    {
        List<List<Mutant>> waves = [];
        foreach (Mutant mutant in mutants)
        {
            List<Mutant>? wave = waves.Find(wave => wave.TrueForAll(other => other.File != mutant.File || !Overlap(mutant, other, read(mutant.File))));
            if (wave is null)
            {
                waves.Add(wave = []);
            }

            wave.Add(mutant);
        }

        return waves;
    }

    /// <summary>The source of a file with mutants, by their numbers.</summary>
    public static string Weave(string source, IEnumerable<(int Number, Mutant Mutant)> mutants)
    {
        // From the end, so that places before stay where they are.
        foreach (IGrouping<int, (int Number, Mutant Mutant)> place in mutants.GroupBy(entry => entry.Mutant.PlaceIn(source)).OrderByDescending(place => place.Key).ToArray())
        {
            Mutant first = place.First().Mutant;
            source = source[..place.Key] + (first.IsStatement ? Statements(place, first.Old) : Expression(place, first.Old)) + source[(place.Key + first.Old.Length)..];
        }

        return source;
    }

    private static string Statements(IEnumerable<(int Number, Mutant Mutant)> mutants, string old)
    {
        var text = new StringBuilder();
        foreach ((int number, Mutant mutant) in mutants)
        {
            text.Append(CultureInfo.InvariantCulture, $"if (global::{SwitchType}.Is({number})) {{ {mutant.New} }} else ");
        }

        return text.Append("{ ").Append(old).Append(" }").ToString();
    }

    private static string Expression(IEnumerable<(int Number, Mutant Mutant)> mutants, string old)
    {
        var text = new StringBuilder("(");
        foreach ((int number, Mutant mutant) in mutants)
        {
            text.Append(CultureInfo.InvariantCulture, $"global::{SwitchType}.Is({number}) ? ({mutant.New}) : ");
        }

        return text.Append('(').Append(old).Append("))").ToString();
    }

    private static bool Overlap(Mutant one, Mutant other, string source)
    {
        int a = one.PlaceIn(source);
        int b = other.PlaceIn(source);
        return (a != b || one.Old != other.Old) && a < b + other.Old.Length && b < a + one.Old.Length;
    }
}
