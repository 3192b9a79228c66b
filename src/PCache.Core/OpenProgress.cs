namespace PCache.Core;

/// <summary>What an open is doing.</summary>
public enum OpenStage
{
    /// <summary>Reads the structures of the cache's segments.</summary>
    Loading = 0,

    /// <summary>
    /// Reads the log and puts its keys into the index: the part that takes time where much is cached.
    /// </summary>
    Replaying = 1,

    /// <summary>
    /// Makes the medium ready for new writes. From here on the open can't be cancelled any more. A read-only open
    /// passes it over.
    /// </summary>
    Preparing = 2,

    /// <summary>The cache is open.</summary>
    Done = 3,
}

/// <summary>How far an open has come.</summary>
/// <param name="Stage">What it is doing.</param>
/// <param name="Segments">Segments whose structures have been read.</param>
/// <param name="TotalSegments">Segments of the cache; 0: not known yet.</param>
/// <param name="LogBytes">Bytes of the log that have been read.</param>
/// <param name="TotalLogBytes">Bytes of the log; null: not known, as its end is only found by reading it.</param>
/// <param name="Ksets">Ksets of the log that have been read.</param>
/// <param name="Keys">Keys of the log that have been validated.</param>
public readonly record struct OpenProgress(
    OpenStage Stage, long Segments, long TotalSegments, long LogBytes, long? TotalLogBytes, long Ksets, long Keys);
