namespace PCache.Lab.Torture;

/// <summary>
/// Makes a failing script smaller. Keeps true: the result still fails; no single action can be left out of it (unless
/// the attempts ran out); the number of attempts is bounded.
/// </summary>
internal static class Shrinker
{
    /// <summary>Leaves out as many actions as can be left out, in halves first, then fewer at once.</summary>
    /// <param name="script">A script that fails.</param>
    /// <param name="fails">Runs a script, and says whether it still fails.</param>
    /// <param name="attempts">Most runs.</param>
    public static List<WorldAction> Shrink(IReadOnlyList<WorldAction> script, Func<IReadOnlyList<WorldAction>,
        bool> fails, int attempts = 400)
    {
        List<WorldAction> best = [.. script];
        for (int chunk = Math.Max(1, best.Count / 2); ;)
        {
            bool smaller = false;
            for (int at = 0; at < best.Count && attempts > 0;)
            {
                List<WorldAction> candidate = [.. best.Take(at), .. best.Skip(at + chunk)];
                attempts--;
                if (fails(candidate))
                {
                    best = candidate;
                    smaller = true;
                }
                else
                {
                    at += chunk;
                }
            }

            if (attempts == 0 || (chunk == 1 && !smaller))
            {
                return best;
            }

            chunk = smaller && chunk == 1 ? 1 : Math.Max(1, chunk / 2);
        }
    }
}
