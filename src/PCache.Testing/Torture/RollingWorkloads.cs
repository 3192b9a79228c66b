namespace PCache.Testing.Torture;

/// <summary>
/// Random scripts in which what is rare elsewhere is frequent: the log goes on in a segment that was used before, GC gives segments back, room runs out, flushes have many keys.
/// Keeps true: a seed makes one machine and one script; short enough to be explored at every moment.
/// </summary>
internal static class RollingWorkloads
{
    /// <summary>A machine and its script.</summary>
    /// <param name="seed">Decides.</param>
    /// <param name="crashes">Whether crashes and faults are among the actions.</param>
    public static (WorldSettings Settings, List<WorldAction> Script) Get(int seed, bool crashes)
    {
        var random = new Random(seed ^ 0x0B5E55ED);
        WorldSettings settings = WorldSettings.FromSeed(seed) with { Aged = true, SegmentBytes = 64 << 10, Segments = 5 + random.Next(3), GcPercent = 0 };
        var script = new List<WorldAction>();
        List<WorldAction> others = Workloads.Random(settings, seed, 20, crashes);
        if (random.Next(2) == 0)
        {
            script.Add(new WorldAction(ActionKind.Churn, 0, 10 + random.Next(60)));
        }

        for (int i = 0; i < others.Count; i++)
        {
            if (i % 8 == 0)
            {
                script.Add(new WorldAction(ActionKind.FillLog, 0, random.Next(600)));
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
