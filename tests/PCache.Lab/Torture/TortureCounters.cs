namespace PCache.Lab.Torture;

/// <summary>What was done. Not thread-safe: one for each thread, added up at the end.</summary>
internal sealed class TortureCounters
{
    /// <summary>Scripts run.</summary>
    public long Workloads { get; set; }

    /// <summary>Moments at which the machine was stopped.</summary>
    public long Points { get; set; }

    /// <summary>States left by crashes, each of them opened and checked.</summary>
    public long States { get; set; }

    /// <summary>Recoveries that were run: of each state one, and those that were crashed themselves.</summary>
    public long Recoveries { get; set; }

    /// <summary>Recovered caches that were written to, drained and collected.</summary>
    public long SecondLives { get; set; }

    public void Add(TortureCounters other)
    {
        Workloads += other.Workloads;
        Points += other.Points;
        States += other.States;
        Recoveries += other.Recoveries;
        SecondLives += other.SecondLives;
    }
}
