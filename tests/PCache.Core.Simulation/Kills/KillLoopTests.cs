using System.Globalization;
using PCache.Lab.Commands;
using PCache.Lab.Kills;

namespace PCache.Core.Simulation.Kills;

/// <summary>
/// Real processes on real files, killed with SIGKILL. The long run: the verb <c>kills</c> of PCache.Lab, or
/// <c>PCACHE_KILLS=5000</c> (kills of writers, all kinds together); <c>PCACHE_KILL_SEED</c> repeats a plan.
/// </summary>
public sealed class KillLoopTests
{
    private const int DefaultKills = 96;
    private const int DefaultSeed = 20_000;

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void No_kill_takes_an_acknowledged_write_back(bool powerSafe, bool persistWrites)
    {
        var kind = new KillKind(powerSafe, persistWrites);
        int rounds = KillsCommand.RoundsOf(Number("PCACHE_KILLS", DefaultKills));
        using var loop = new KillLoop(kind, kind.SeedOf(Number("PCACHE_KILL_SEED", DefaultSeed)));
        Assert.True(loop.Kill(rounds) >= rounds);
        loop.Finish();
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
