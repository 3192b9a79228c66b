using PCache.Core.Journal;
using PCache.Core.Opening;

namespace PCache.Core;

/// <summary>What was done about a checkpoint journal.</summary>
public enum JournalOutcome
{
    /// <summary>There is none: the backing is as it is.</summary>
    NoJournal = 0,

    /// <summary>
    /// What stands there isn't a whole journal, as an interrupted checkpoint leaves it before the backing is touched:
    /// the backing is as it is. It stays where it is.
    /// </summary>
    Torn = 1,

    /// <summary>The journal was applied, and is gone.</summary>
    Applied = 2,
}

/// <summary>What <see cref="PCacheBacking.Recover(string, string?, bool)"/> did.</summary>
public sealed record JournalRecovery
{
    /// <summary>What was done.</summary>
    public required JournalOutcome Outcome { get; init; }

    /// <summary>The cache that had made the journal; null: none was applied.</summary>
    public Guid? CacheId { get; init; }

    /// <summary>Number of the checkpoint, from 1; 0: none was applied.</summary>
    public long Number { get; init; }

    /// <summary>When the journal was made; null: none was applied.</summary>
    public DateTimeOffset? MadeAt { get; init; }

    /// <summary>Ranges written to the backing.</summary>
    public long Records { get; init; }

    /// <summary>Bytes written to the backing.</summary>
    public long LengthBytes { get; init; }
}

/// <summary>What can be done with a backing whose cache is gone.</summary>
public static class PCacheBacking
{
    /// <summary>
    /// Applies the checkpoint journal that a cache has left beside its backing, and removes it: afterwards the backing
    /// alone holds exactly what was there at some flush, the last one that
    /// <see cref="PCacheStatus.BackingAsOf"/> had told, or a later one. Only for a cache that is lost for good: one
    /// that can still be opened has everything, and finishes the checkpoint itself. Doing it twice, or where there is
    /// no journal, does no harm. Writes are durable on return.
    /// </summary>
    /// <param name="backingPath">The backing: a regular file or a block device.</param>
    /// <param name="journalPath">Its journal; null: its path with ".pcache-journal" behind it.</param>
    /// <param name="acceptOtherFile">Whether the backing may be another file than the one that the journal was made
    /// for: both were copied.</param>
    /// <exception cref="PCacheBackingMismatchException">The journal was made for another backing.</exception>
    /// <exception cref="PCacheInUseException">The backing is in use.</exception>
    /// <exception cref="IOException">Journal or backing failed, or isn't there.</exception>
    /// <exception cref="UnauthorizedAccessException">Not permitted.</exception>
    public static JournalRecovery Recover(string backingPath, string? journalPath = null, bool acceptOtherFile = false)
    {
        backingPath = PCacheDevice.FullPath(backingPath, nameof(backingPath));
        using IBlockDevice backing = BlockDevice.OpenFile(backingPath, FileAccess.ReadWrite);
        using var place = new FileJournalPlace(
            journalPath is null
                ? backingPath + JournalConstants.FileSuffix
                : PCacheDevice.FullPath(journalPath, nameof(journalPath)),
            isImplied: journalPath is null);
        return JournalApplication.Run(backing, place, acceptOtherFile);
    }

    /// <summary>As <see cref="Recover(string, string?, bool)"/>, of devices; they stay the caller's.</summary>
    /// <param name="backing">The backing.</param>
    /// <param name="journal">What was given as <see cref="PCacheOptions.CheckpointJournal"/>.</param>
    /// <exception cref="PCacheBackingMismatchException">The journal was made for another backing.</exception>
    /// <exception cref="IOException">Journal or backing failed.</exception>
    public static JournalRecovery Recover(IBlockDevice backing, IBlockDevice journal)
    {
        ArgumentNullException.ThrowIfNull(backing);
        ArgumentNullException.ThrowIfNull(journal);
        using var place = new DeviceJournalPlace(journal);
        return JournalApplication.Run(backing, place, acceptOtherFile: false);
    }
}
