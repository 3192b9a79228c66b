namespace PCache.Core;

/// <summary>What a close is doing.</summary>
public enum CloseStage
{
    /// <summary>Writes everything back, because <see cref="PCacheOptions.DrainOnDispose"/> is set.</summary>
    Draining = 0,

    /// <summary>Brings what was acknowledged into the log, durably.</summary>
    Flushing = 1,

    /// <summary>
    /// Waits for operations in flight, compares the backing for the next open, and lets go of cache and backing.
    /// </summary>
    Releasing = 2,

    /// <summary>
    /// The close is over: the device is closed, or its time was up (<see cref="PCacheOptions.DisposeTimeout"/>).
    /// </summary>
    Done = 3,
}

/// <summary>How far a close has come.</summary>
/// <param name="Stage">What it is doing.</param>
/// <param name="Elapsed">How long it has been going on.</param>
/// <param name="DirtyBytes">Bytes in the cache that the backing doesn't have: they are safe there.</param>
public readonly record struct CloseProgress(CloseStage Stage, TimeSpan Elapsed, long DirtyBytes);
