namespace PCache.Lab.Torture;

/// <summary>
/// The states that a power cut may leave of some open words: all of them where they are few, a choice where not. Keeps
/// true: 0 stands for a word's durable value, 1 for its newest, and so on; the same words, budget and seed yield the
/// same states in the same order.
/// </summary>
internal static class CrashStates
{
    /// <summary>With more open words than this (of one version each) not all states are ever tried.</summary>
    public const int ExhaustiveWords = 12;

    /// <summary>Calls <paramref name="visit"/> with each state; valid during the call only.</summary>
    /// <param name="open">The open words.</param>
    /// <param name="budget">States to draw where not all are tried.</param>
    /// <param name="allUpTo">All are tried if there are no more than this, or than the budget.</param>
    /// <param name="random">Draws where not all can be tried.</param>
    /// <param name="visit">Receives the version of each word.</param>
    public static void Visit(OpenWords open, int budget, int allUpTo, Random random, Action<int[]> visit)
    {
        ReadOnlySpan<OpenWord> words = open.All;
        var versions = new int[words.Length];
        if (open.States(1 << ExhaustiveWords) <= Math.Min(Math.Max(budget, allUpTo), 1 << ExhaustiveWords))
        {
            VisitAll(words, versions, visit);
            return;
        }

        int left = budget;
        Fill(versions, 0);
        visit(versions);
        Fill(versions, 1);
        visit(versions);
        left -= 2;

        // Each single one new, each single one old: all of them if a half of the budget allows, else drawn.
        int singles = Math.Max(0, Math.Min(words.Length, left / 4));
        for (int i = 0; i < 2 * singles; i++)
        {
            int word = singles == words.Length ? i / 2 : random.Next(words.Length);
            Fill(versions, i % 2);
            versions[word] = 1 - (i % 2);
            visit(versions);
            left--;
        }

        // Halves: a prefix, a suffix, every other line.
        for (int i = 0; i < 4 && left > 0; i++, left--)
        {
            int cut = 1 + random.Next(Math.Max(1, words.Length - 1));
            for (int j = 0; j < versions.Length; j++)
            {
                versions[j] = (i switch
                {
                    0 => j < cut,
                    1 => j >= cut,
                    2 => words[j].Word / 8 % 2 == 0,
                    _ =>
                    words[j].Word / 8 % 2 == 1
                }) ? 1 : 0;
            }

            visit(versions);
        }

        for (; left > 0; left--)
        {
            Draw(words, versions, random);
            visit(versions);
        }
    }

    /// <summary>Draws one state.</summary>
    public static void Draw(ReadOnlySpan<OpenWord> words, Span<int> versions, Random random)
    {
        int percentNew = new[] { 3, 25, 50, 75, 97 }[random.Next(5)];
        int unit = new[] { 1, 1, 8, 512 }[random.Next(4)]; // words, lines or pages go together
        int unitOf = -1;
        bool isNew = false;
        for (int i = 0; i < words.Length; i++)
        {
            if (words[i].Word / unit != unitOf)
            {
                unitOf = words[i].Word / unit;
                isNew = random.Next(100) < percentNew;
            }

            versions[i] = !isNew ? 0 : words[i].Count == 1 || random.Next(2) == 0 ? 1 : 1 + random.Next(words[i].Count);
        }
    }

    private static void Fill(int[] versions, int version) => Array.Fill(versions, version);

    private static void VisitAll(ReadOnlySpan<OpenWord> words, int[] versions, Action<int[]> visit)
    {
        while (true)
        {
            visit(versions);
            int i = 0;
            while (i < versions.Length && ++versions[i] > words[i].Count)
            {
                versions[i++] = 0;
            }

            if (i == versions.Length)
            {
                return;
            }
        }
    }
}
