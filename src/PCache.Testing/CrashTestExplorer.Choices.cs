namespace PCache.Testing;

/// <content>Where crashes come, and how a failing state is made smaller.</content>
internal sealed partial class CrashTestExplorer
{
    private const int MostShrinkTries = 300;

    /// <summary>
    /// Which moments of the workload are crashed at: those before a flush first, as all of the rest only leave less
    /// open.
    /// </summary>
    private HashSet<int> ChoosePoints(List<int> barriers)
    {
        HashSet<int> chosen = [.. Spread(barriers, test.MaxCrashPoints)];
        int[] others = [.. Enumerable.Range(0, _points).Except(barriers)];
        chosen.UnionWith(Spread(others, test.MaxCrashPoints - chosen.Count));
        return chosen;
    }

    /// <summary>
    /// At most so many of the points, evenly, the last one in any case; where it begins, the seed says.
    /// </summary>
    private IEnumerable<int> Spread(IReadOnlyList<int> points, int most)
    {
        if (points.Count <= most || most == 0)
        {
            return most == 0 ? [] : points;
        }

        int start = new Random(test.Seed).Next(points.Count / most);
        return Enumerable.Range(0, most - 1).Select(
            i => points[start + (int)((long)i * points.Count / most)]).Append(points[^1]);
    }

    /// <summary>
    /// Which moments of a verification are crashed at: after the first crash as many as the budget has for it, later
    /// just one.
    /// </summary>
    private HashSet<int> ChooseNested(CrashMoment moment, CrashChoice choice, int points)
    {
        int count = moment.Parent is not null ? 1
            : choice.IsKill ? Spend(ref _nestedKillPoints, _nestedPointsPerKill, points)
            : Spend(ref _nestedPoints, _nestedPointsPerState, points);
        var random = new Random(unchecked((test.Seed * 31) + (int)_verifications));
        int[] all = [.. Enumerable.Range(0, points)];
        random.Shuffle(all);
        return [.. all.Take(count)];
    }

    /// <summary>
    /// Adds to a budget, and takes what can be used now; what isn't used stays, as far as one use goes.
    /// </summary>
    private static int Spend(ref double budget, double share, int points)
    {
        budget = Math.Min(budget + share, points + share);
        int count = Math.Min((int)budget, points);
        budget -= count;
        return count;
    }

    /// <summary>Makes a failing state smaller, as long as it still fails.</summary>
    private (CrashChoice Choice, Exception Error) Shrink(CrashMoment moment, CrashChoice choice, Exception error)
    {
        for (int tries = 0; !choice.IsKill && tries < MostShrinkTries;)
        {
            bool found = false;
            foreach (CrashChoice smaller in CrashChoices.Smaller(choice))
            {
                (Exception? still, _) = VerifyAfter(moment, smaller, null);
                if (still is not null)
                {
                    (choice, error, found) = (smaller, still, true);
                    break;
                }

                if (++tries == MostShrinkTries)
                {
                    break;
                }
            }

            if (!found)
            {
                break;
            }
        }

        return (choice, error);
    }
}
