namespace PCache.Lab.Torture;

/// <summary>
/// Random scripts in which what is rare elsewhere is frequent: the log goes on in a segment that was used before, GC
/// gives segments back, room runs out, flushes have many keys. Keeps true: a seed makes one machine and one script;
/// short enough to be explored at every moment.
/// </summary>
internal static class RollingWorkloads
{
    /// <summary>A machine and its script.</summary>
    /// <param name="seed">Decides.</param>
    /// <param name="crashes">Whether crashes and faults are among the actions.</param>
    public static (WorldSettings Settings, List<WorldAction> Script) Get(int seed, bool crashes)
    {
        var random = new Random(seed ^ 0x0B5E55ED);
        WorldSettings settings = WorldSettings.FromSeed(seed) with
        {
            Aged = true,
            SegmentBytes = 64 << 10,
            Segments = 5
            + random.Next(3),
            GcPercent = 0
        };
        var script = new List<WorldAction>();
        List<WorldAction> others = Workloads.Random(settings, seed, 20, crashes);
        if (random.Next(2) == 0)
        {
            script.Add(new WorldAction(ActionKind.Churn, 0, 10 + random.Next(60)));
        }

        if (crashes && random.Next(4) == 0)
        {
            script.Add(new WorldAction(ActionKind.FillKeys));
        }

        bool twice = random.Next(3) == 0;
        settings = twice ? settings with { Segments = 8 } : settings;
        // a long log makes each state dear: there is one thing to see here
        others = twice ? [new WorldAction(ActionKind.Flush)] : others;
        for (int i = 0; i < others.Count; i++)
        {
            if (i % 8 == 0)
            {
                script.Add(new WorldAction(ActionKind.FillLog, twice && i == 0 ? 1 : 0, random.Next(600)));
                if (twice && i == 0)
                {
                    script.Add(new WorldAction(ActionKind.Force, 0, 512));
                    script.AddRange(Enumerable.Range(0, 12)
                        .Select(j => new WorldAction(ActionKind.Zeroes, j * 512, 512))
                        .SelectMany(zeroes => (WorldAction[])[zeroes, new(ActionKind.Flush)]));
                }
            }

            if (crashes && random.Next(6) == 0)
            {
                script.Add(new WorldAction(ActionKind.DrainFault, 0, 1 + random.Next(20)));
            }

            script.Add(others[i]);
            if (random.Next(8) == 0 && others[i].Kind != ActionKind.Within)
            {
                script.Add(new WorldAction(ActionKind.Force, random.Next(12) * 512, 512));
            }
        }

        return (settings, script);
    }
}
