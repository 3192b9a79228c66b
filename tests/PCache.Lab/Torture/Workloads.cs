namespace PCache.Lab.Torture;

/// <summary>Random scripts. Keeps true: a seed and a length make one script.</summary>
internal static class Workloads
{
    private const int Stripe = 4 << 20;

    /// <summary>A random script.</summary>
    /// <param name="settings">The machine it is for.</param>
    /// <param name="seed">Decides.</param>
    /// <param name="actions">Number of actions.</param>
    /// <param name="crashes">Whether crashes and faults are among them.</param>
    public static List<WorldAction> Random(WorldSettings settings, int seed, int actions, bool crashes)
    {
        var random = new Random(seed);
        var script = new List<WorldAction>(actions);
        while (script.Count < actions)
        {
            if (random.Next(12) == 0)
            {
                script.Add(new WorldAction(ActionKind.Within, 0, 1 + random.Next(4)));
            }

            script.Add(One(settings, random, crashes));
        }

        return script;
    }

    private static WorldAction One(WorldSettings settings, Random random, bool crashes)
    {
        int dice = random.Next(100);
        (long offset, int length) = Range(settings, random);
        return dice switch
        {
            < 40 => new WorldAction(ActionKind.Write, offset, length),
            < 48 => new WorldAction(ActionKind.Force, offset, length),
            < 56 => new WorldAction(ActionKind.Flush),
            < 60 => new WorldAction(ActionKind.Zeroes, offset, length),
            < 63 => new WorldAction(ActionKind.Discard, offset, length),
            < 68 => new WorldAction(ActionKind.Read),
            < 84 => new WorldAction(ActionKind.Maintain, 0, 1 + random.Next(10)),
            < 89 => new WorldAction(ActionKind.Wait, 0, random.Next(3000)),
            < 91 => new WorldAction(ActionKind.Reopen, 0, random.Next(3)),
            < 93 => new WorldAction(ActionKind.Drain),
            < 94 => new WorldAction(ActionKind.Pause),
            < 96 when settings.CanResize => new WorldAction(ActionKind.SetLength, Stripe - (4 << 10) + random.Next(40 << 10)),
            < 98 when crashes => new WorldAction(random.Next(2) == 0 ? ActionKind.PowerCut : ActionKind.Kill, 0, 1 + random.Next(60)),
            < 99 when crashes => new WorldAction(ActionKind.Fault, random.Next(12), random.Next(8)),
            _ => new WorldAction(ActionKind.Write, offset, length),
        };
    }

    private static (long Offset, int Length) Range(WorldSettings settings, Random random)
    {
        long offset = random.Next(3) switch
        {
            0 => random.Next(12 << 10),
            1 => Stripe - (4 << 10) + random.Next(8 << 10),
            _ => Stripe + (16 << 10) + random.Next(settings.CanResize ? 10 << 10 : 8 << 10),
        };
        offset = random.Next(3) > 0 ? offset / 512 * 512 : offset;
        int length = random.Next(5) switch
        {
            0 => random.Next(1, 700),
            1 => 512,
            2 => 4096,
            _ => 512 * random.Next(1, 24),
        };
        long end = offset < 12 << 10 ? 12 << 10 : offset < Stripe + (8 << 10) ? Stripe + (4 << 10) : Stripe + (28 << 10);
        return (offset, (int)Math.Clamp(end - offset, 1, length));
    }
}
