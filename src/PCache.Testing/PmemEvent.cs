namespace PCache.Testing;

/// <summary>What is about to happen to a <see cref="SimulatedPmem"/>.</summary>
public enum PmemEvent
{
    /// <summary>A store (write, write of zeros).</summary>
    Store,

    /// <summary>A flush of a range.</summary>
    Flush,

    /// <summary>A drain.</summary>
    Drain,
}
