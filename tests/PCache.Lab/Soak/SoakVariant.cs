namespace PCache.Lab.Soak;

/// <summary>The soaks that are run: each a machine of its own.</summary>
/// <param name="Name">In words.</param>
/// <param name="Options">Its settings, without seed and length.</param>
internal sealed record SoakVariant(string Name, SoakOptions Options)
{
    /// <summary>All variants.</summary>
    public static readonly IReadOnlyList<SoakVariant> All =
    [
        new("growing", new SoakOptions { Segments = 6 }),
        new("shrinking", new SoakOptions { Shrink = true, Segments = 6 }),
        new("failing backing", new SoakOptions { FailEvery = 151, Discard = true, Segments = 5 }),
        new("failing backing while shrinking", new SoakOptions { FailEvery = 101, Shrink = true, Discard = true }),
        new("discarding without checksums", new SoakOptions { Growth = false, Discard = true, PayloadCrc = false }),
        new("synchronous on large blocks",
            new SoakOptions { AsyncPercent = 0, Growth = false, BlockSize = 4096, Writers = 4, Readers = 4,
            Segments = 8 }),
        new("asynchronous", new SoakOptions { AsyncPercent = 100 }),
        new("drained by flushes only",
            new SoakOptions { Region = SoakRegion.MemoryDrainedByFlushes, PayloadCrc = false }),
        new("on a file", new SoakOptions { Region = SoakRegion.PageCache }),
        new("on a power-safe file", new SoakOptions { Region = SoakRegion.PowerSafe, Shrink = true }),
        new("on assumed persistent memory", new SoakOptions { Region = SoakRegion.Assumed, Segments = 12 }),
    ];

    /// <summary>A long run is made of runs of this length, one seed each.</summary>
    public static readonly TimeSpan LongestRun = TimeSpan.FromSeconds(5);

    /// <summary>Runs this variant once.</summary>
    /// <exception cref="SoakException">The device broke its contract, hangs, or failed where nothing had gone
    /// wrong.</exception>
    public SoakReport Run(int seed, TimeSpan duration, TimeSpan hangLimit)
    {
        SoakReport report = ConcurrencySoak.Run(
            Options with
            {
                Seed = seed,
                Duration = duration < LongestRun ? duration
            : LongestRun,
                HangLimit = hangLimit
            });

        // That enough of everything happened is the soak's own condition; nothing fails but where it is to.
        return Options.FailEvery > 0 || report.Failures == 0 ? report
            : throw new SoakException($"Seed {seed}: calls of the backing failed that were not to: {report}");
    }
}
