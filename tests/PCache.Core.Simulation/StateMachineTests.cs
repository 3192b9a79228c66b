using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using PCache.Core.Tests.Support;
using PCache.Lab.Torture;

namespace PCache.Core.Simulation;

/// <summary>
/// The device as a state machine: FsCheck makes a machine and a script of actions of every kind, and the simulated
/// world, whose oracle knows what each sector may hold, runs it. Keeps true: a run is decided by what FsCheck
/// generated; a failure tells the seed, FsCheck's own replay and the smallest script that it came to.
/// </summary>
public sealed class StateMachineTests
{
    private const int Stripe = 4 << 20;

    /// <summary>Scripts that FsCheck makes of one seed.</summary>
    private const int CasesOfSeed = 40;

    [Fact]
    public void Any_script_keeps_every_promise() =>
        TestRuns.ForSeeds(20, seed => Check(seed, CasesOfSeed, Cases(60), null));

    [Fact]
    public void Any_short_script_keeps_every_promise_at_crashes_between() =>
        TestRuns.ForSeeds(8, seed => Check(seed, CasesOfSeed / 4, Cases(25), new ExplorerOptions
        {
            PointOneIn = 8,
            StatesPerDrain = 8,
            StatesPerDiskCall = 3,
            KillOneStoreIn = 8,
            NestOneIn = 64,
            Depth = 2,
        }));

    [Theory]
    [InlineData(Rule.LateFillHidesWrite)]
    [InlineData(Rule.WritebackOldestWins)]
    [InlineData(Rule.BackingFlushErrorIgnored)]
    public void A_broken_rule_is_found_and_the_script_made_small(object rule)
    {
        Exception? error = null;
        for (int seed = 1; seed <= 60 && error is null; seed++)
        {
            using (Mutation.Break((Rule)rule))
            {
                error = Record.Exception(() => Check(seed, CasesOfSeed, Cases(60), null));
            }
        }

        Assert.NotNull(error);
        string shrunk = error.Message[error.Message.LastIndexOf("Shrunk:", StringComparison.Ordinal)..];
        int actions = shrunk.Split('\n')
            .Count(line => line.StartsWith("  ", StringComparison.Ordinal)
            && line.Contains(": ", StringComparison.Ordinal) && char.IsAsciiDigit(line.TrimStart()[0]));
        Assert.True(actions is >= 1 and <= 8, $"{actions} actions: {error.Message}");
        Assert.Contains(nameof(TortureViolation), error.ToString(), StringComparison.Ordinal);
    }

    private static void Check(int seed, int count, Arbitrary<Case> cases, ExplorerOptions? explorer)
    {
        Config config = Config.QuickThrowOnFailure
            .WithMaxTest(count)
            .WithQuietOnSuccess(true)
            .WithEndSize(60)
            .WithReplay(FSharpOption<Replay>.Some(new Replay(new Rnd((ulong)seed), FSharpOption<int>.None)));
        try
        {
            Prop.ForAll(cases, made => made.Run(explorer)).Check(config);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"PCACHE_TEST_SEED={seed}: {e.Message}", e);
        }
    }

    /// <summary>
    /// Machines with scripts of up to so many actions. Shrinking leaves out actions, then makes numbers and machine
    /// plainer.
    /// </summary>
    private static Arbitrary<Case> Cases(int mostActions)
    {
        Gen<Case> all =
            from settings in Machines()
            from count in Gen.Choose(1, mostActions)
            from script in Actions(settings).ArrayOf(count)
            select new Case(settings, script);
        return Arb.From(all, Shrink);
    }

    private static Gen<WorldSettings> Machines() =>
        from resize in Gen.Frequency((3, Gen.Constant(false)), (1, Gen.Constant(true)))
        from block in resize ? Gen.Constant(1) : Gen.Elements(1, 512, 4096)
        from odd in block == 4096 ? Gen.Constant(0) : Gen.Elements(0, 300)
        from segments in Gen.Frequency((6, Gen.Choose(5, 8)), (1, Gen.Constant(17)))
        from crc in Bool(66)
        from cheap in Bool(66)
        from discard in Bool(50)
        from reads in Bool(75)
        from cores in Gen.Choose(1, 3)
        from reserve in Gen.Choose(1, 2)
        from gc in Gen.Elements(0, 70)
        from delay in Gen.Elements(0, 1000, 2000)
        from timeout in Gen.Choose(100, 1100)
        from seed in Gen.Choose(1, 1_000_000)
        select new WorldSettings
        {
            Seed = seed,
            CanResize = resize,
            BlockSize = block,
            OddBytes = odd,
            Segments = segments,
            PayloadCrc = crc,
            DrainIsCheap = cheap,
            CanDiscard = discard,
            CacheReads = reads,
            Cores = cores,
            LogReserveSegments = reserve,
            GcPercent = gc,
            WritebackDelayMs = delay,
            KsetTimeoutMs = timeout,
        };

    private static Gen<bool> Bool(int percent) => Gen.Choose(0, 99).Select(dice => dice < percent);

    private static Gen<WorldAction> Actions(WorldSettings settings) => Gen.Frequency(
        (40, Ranged(ActionKind.Write, settings)),
        (8, Ranged(ActionKind.Force, settings)),
        (4, Ranged(ActionKind.Zeroes, settings)),
        (3, Ranged(ActionKind.Discard, settings)),
        (8, Plain(ActionKind.Flush)),
        (5, Plain(ActionKind.Read)),
        (16, Counted(ActionKind.Maintain, 1, 10)),
        (5, Counted(ActionKind.Wait, 0, 3000)),
        (2, Counted(ActionKind.Reopen, 0, 2)),
        (2, Plain(ActionKind.Drain)),
        (1, Plain(ActionKind.Pause)),
        (settings.CanResize ? 4 : 0, Gen.Choose(0, (40 << 10) - 1)
            .Select(by => new WorldAction(ActionKind.SetLength, Stripe - (4 << 10) + by))),
        (1, Counted(ActionKind.PowerCut, 1, 60)),
        (1, Counted(ActionKind.Kill, 1, 60)),
        (2, from how in Gen.Choose(0, 11)
            from at in Gen.Choose(0, 7)
            select new WorldAction(ActionKind.Fault, how, at)),
        (9, Counted(ActionKind.Within, 1, 4)));

    private static Gen<WorldAction> Plain(ActionKind kind) => Gen.Constant(new WorldAction(kind));

    private static Gen<WorldAction> Counted(ActionKind kind, int least, int most) =>
        Gen.Choose(least, most).Select(count => new WorldAction(kind, 0, count));

    /// <summary>Ranges in one of the areas that the oracle watches; often whole sectors.</summary>
    private static Gen<WorldAction> Ranged(ActionKind kind, WorldSettings settings) =>
        from area in Gen.Elements((0, 12 << 10, 12 << 10), (Stripe - (4 << 10), 8 << 10, Stripe + (4 << 10)),
            (Stripe + (16 << 10), (settings.CanResize ? 10 : 8) << 10, Stripe + (28 << 10)))
        from shift in Gen.Choose(0, area.Item2 - 1)
        from sectors in Bool(66)
        from length in Gen.OneOf(Gen.Choose(1, 700), Gen.Elements(512, 4096),
            Gen.Choose(1, 24).Select(count => count * 512))
        let offset = sectors ? (area.Item1 + shift) / 512 * 512 : area.Item1 + shift
        select new WorldAction(kind, offset, Math.Clamp(area.Item3 - offset, 1, length));

    private static IEnumerable<Case> Shrink(Case made)
    {
        WorldAction[] script = made.Script;
        for (int chunk = Math.Max(1, script.Length / 2); chunk >= 1; chunk /= 2)
        {
            for (int at = 0; at < script.Length; at += chunk)
            {
                yield return made with { Script = [.. script.Take(at), .. script.Skip(at + chunk)] };
            }
        }

        for (int i = 0; i < script.Length; i++)
        {
            foreach (WorldAction smaller in Shrink(script[i]))
            {
                WorldAction[] next = [.. script];
                next[i] = smaller;
                yield return made with { Script = next };
            }
        }

        WorldSettings plain = new() { Seed = made.Settings.Seed, CanResize = made.Settings.CanResize };
        if (made.Settings != plain)
        {
            yield return made with { Settings = plain };
        }

        if (made.Settings.OddBytes != 0)
        {
            yield return made with { Settings = made.Settings with { OddBytes = 0 } };
        }
    }

    private static IEnumerable<WorldAction> Shrink(WorldAction action)
    {
        if (action.IsWrite)
        {
            foreach (int length in new[] { 1, 512, action.Length / 1024 * 512 })
            {
                if (length > 0 && length < action.Length)
                {
                    yield return action with { Length = length };
                }
            }

            foreach (long offset in new[] { 0, action.Offset / 512 * 512 })
            {
                if (offset < action.Offset)
                {
                    yield return action with { Offset = offset };
                }
            }

            if (action.Kind != ActionKind.Write)
            {
                yield return action with { Kind = ActionKind.Write };
            }
        }
        else if (action.Length > 1)
        {
            yield return action with { Length = action.Length / 2 };
            yield return action with { Length = action.Length - 1 };
        }
    }

    /// <summary>What FsCheck generates, prints and makes smaller.</summary>
    internal sealed record Case(WorldSettings Settings, WorldAction[] Script)
    {
        public void Run(ExplorerOptions? explorer)
        {
            CrashExplorer? observer = explorer is null ? null
                : new CrashExplorer(explorer, Settings.Seed, new TortureCounters()) { ExploresCreation = false };
            // there is always an action for the last Within
            new World(Settings, observer).Run([.. Script, new WorldAction(ActionKind.Wait)]);
        }

        public override string ToString() =>
            $"{Settings}\n" + string.Concat(
                Script.Select((action, i) => string.Create(CultureInfo.InvariantCulture, $"  {i}: {action}\n")));
    }
}
