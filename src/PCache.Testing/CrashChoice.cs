using System.Globalization;

namespace PCache.Testing;

/// <summary>
/// What one crash leaves of all that is open: a kill leaves everything; a power cut decides each item (a word, a
/// sector, the length): 0 for the durable content, 1 for the newest, 2 for the one before, and so on. Keeps true: the
/// text of a choice, read again for as many items, is the same choice.
/// </summary>
internal sealed record CrashChoice(bool IsKill, int[] Versions)
{
    public static CrashChoice Kill { get; } = new(true, []);

    /// <summary>Number of items that are lost, or old.</summary>
    public int Lost => Versions.Count(version => version != 1);

    /// <summary>Number of items of which anything is kept.</summary>
    public int Kept => Versions.Count(version => version != 0);

    /// <summary>How far it is from all kept or all lost, whichever is nearer.</summary>
    public int Size => Math.Min(Lost, Kept);

    /// <summary>The choice that a text names, for items with so many versions each.</summary>
    /// <exception cref="FormatException">It names none.</exception>
    public static CrashChoice Parse(string text, int[] counts)
    {
        if (text == "kill")
        {
            return Kill;
        }

        var versions = new int[counts.Length];
        string[] parts = text.Split(['+', '-'], 2);
        bool fromAll = parts[0] == "all";
        Array.Fill(versions, fromAll ? 1 : 0);
        if (!fromAll && parts[0] != "none")
        {
            throw new FormatException($"'{text}' is no state.");
        }

        foreach (string part in parts.Length == 1 ? [] : parts[1].Split(','))
        {
            string[] sides = part.Split('=');
            int item = int.Parse(sides[0], CultureInfo.InvariantCulture);
            int version = sides.Length == 2 ? int.Parse(sides[1], CultureInfo.InvariantCulture) : fromAll ? 0 : 1;
            if (item >= counts.Length || version > counts[item])
            {
                throw new FormatException($"There is no version {version} of an item {item}.");
            }

            versions[item] = version;
        }

        return new CrashChoice(false, versions);
    }

    public override string ToString()
    {
        if (IsKill)
        {
            return "kill";
        }

        bool fromAll = Versions.Length > 0 && Lost <= Kept;
        int usual = fromAll ? 1 : 0;
        string[] others =
        [
            .. Versions.Index().Where(item => item.Item != usual).Select(item => item.Item == 1 - usual
                ? item.Index.ToString(CultureInfo.InvariantCulture)
                : string.Create(CultureInfo.InvariantCulture, $"{item.Index}={item.Item}")),
        ];
        string name = fromAll ? "all" : "none";
        return others.Length == 0 ? name : $"{name}{(fromAll ? '-' : '+')}{string.Join(',', others)}";
    }
}

/// <summary>
/// Which states are tried. Keeps true: no state twice; if there are no more states than asked for, all of them; the
/// same input gives the same states in the same order; none and all come first, the kill right behind them.
/// </summary>
internal static class CrashChoices
{
    /// <summary>The states to try for items with so many versions each.</summary>
    public static IReadOnlyList<CrashChoice> For(int[] counts, int most, Random random)
    {
        var found = new List<CrashChoice>();
        var seen = new HashSet<string>();
        if (counts.Length == 0)
        {
            return [new CrashChoice(false, [])]; // a kill leaves the same
        }

        Add(_ => 0);
        Add(_ => 1);
        found.Add(CrashChoice.Kill);
        if (States(counts, most) <= most)
        {
            AddAllSubsets(counts, found, seen);
            return found;
        }

        // A third of the rest for each: one item alone kept or lost; cuts in the order of place; anything.
        int budget = Math.Max(most, 4);
        int third = Math.Max(1, (budget - found.Count) / 3);
        for (int i = 0; i < third; i++)
        {
            int item = counts.Length <= third / 2 ? i / 2 % counts.Length : random.Next(counts.Length);
            bool alone = third > 1 ? i % 2 == 0 : random.Next(2) == 0;
            Add(at => (at == item) == alone ? 1 : 0);
        }

        for (int i = 0; i < third; i++)
        {
            int cut = i < 2 ? counts.Length / 2 : 1 + random.Next(counts.Length);
            bool first = third > 1 ? i % 2 == 0 : random.Next(2) == 0;
            Add(at => (at < cut) == first ? 1 : 0);
        }

        for (int tries = 0; found.Count < budget && tries < 4 * budget; tries++)
        {
            int percent = random.Next(1, 10) * 10;
            bool newest = random.Next(2) == 0;
            Add(at => random.Next(100) >= percent ? 0 : newest ? 1 : 1 + random.Next(counts[at]));
        }

        return found;

        void Add(Func<int, int> version)
        {
            var choice = new CrashChoice(false, [.. Enumerable.Range(0, counts.Length).Select(version)]);
            if (seen.Add(choice.ToString()))
            {
                found.Add(choice);
            }
        }
    }

    /// <summary>The states that are one step nearer to all lost or all kept, in big steps first.</summary>
    public static IEnumerable<CrashChoice> Smaller(CrashChoice choice)
    {
        foreach (int to in (int[])[0, 1])
        {
            int[] others = [.. choice.Versions.Index().Where(item => item.Item != to).Select(item => item.Index)];
            for (int part = others.Length; part >= 1; part /= 2)
            {
                for (int first = 0; first < others.Length; first += part)
                {
                    int[] versions = [.. choice.Versions];
                    foreach (int item in others.Skip(first).Take(part))
                    {
                        versions[item] = to;
                    }

                    var smaller = new CrashChoice(false, versions);
                    if (smaller.Size < choice.Size)
                    {
                        yield return smaller;
                    }
                }
            }
        }
    }

    private static long States(int[] counts, int limit)
    {
        long states = 1;
        foreach (int count in counts)
        {
            states *= count + 1;
            if (states > limit)
            {
                break;
            }
        }

        return states;
    }

    private static void AddAllSubsets(int[] counts, List<CrashChoice> found, HashSet<string> seen)
    {
        var versions = new int[counts.Length];
        while (true)
        {
            int at = 0;
            while (at < counts.Length && versions[at] == counts[at])
            {
                versions[at++] = 0;
            }

            if (at == counts.Length)
            {
                return;
            }

            versions[at]++;
            var choice = new CrashChoice(false, [.. versions]);
            if (seen.Add(choice.ToString()))
            {
                found.Add(choice);
            }
        }
    }
}
