using PCache.Core.Files;
using PCache.Core.Journal;

namespace PCache.Core.Opening;

/// <summary>
/// Applies the checkpoint journal of a backing whose cache is gone. Keeps true: a journal that was made for another
/// file, identity or a longer device than this backing can become changes nothing; one that isn't whole changes
/// nothing; the journal goes only after the backing has all of it, durably; doing it twice does no harm.
/// </summary>
internal static class JournalApplication
{
    /// <summary>When a journal was made.</summary>
    public static DateTimeOffset MadeAt(in JournalHeader header) => DateTimeOffset.FromUnixTimeMilliseconds(
        Math.Clamp(
            header.MadeAt,
            DateTimeOffset.MinValue.ToUnixTimeMilliseconds(), DateTimeOffset.MaxValue.ToUnixTimeMilliseconds()));

    /// <summary>Applies it, and removes it.</summary>
    /// <param name="backing">The backing.</param>
    /// <param name="place">Where its journal stands.</param>
    /// <param name="acceptOtherFile">Whether the backing may be another file than the journal says: a copy.</param>
    /// <exception cref="PCacheBackingMismatchException">The journal belongs to another backing.</exception>
    /// <exception cref="IOException">Journal or backing failed.</exception>
    public static JournalRecovery Run(IBlockDevice backing, JournalPlace place, bool acceptOtherFile)
    {
        JournalState state = new JournalReader(place).Verify(out JournalHeader header);
        if (state != JournalState.Valid)
        {
            return new JournalRecovery { Outcome = Outcome(state) };
        }

        CheckPair(backing, place, in header, acceptOtherFile);
        if (backing.Length < (long)header.BackingLength)
        {
            backing.SetLength((long)header.BackingLength);
        }

        using var journal = new CheckpointJournal(place, state, in header, pending: true);
        if (!journal.TryApply(backing, CancellationToken.None))
        {
            throw new IOException(
                $"The checkpoint journal {SafeText.Of(place.Name)} was changed while it was read.");
        }

        backing.Flush();
        journal.NoteDone();
        journal.Clear();
        return new JournalRecovery
        {
            Outcome = JournalOutcome.Applied,
            CacheId = header.CacheId.ToGuid(),
            Number = (long)header.Number,
            MadeAt = MadeAt(in header),
            Records = (long)header.RecordCount,
            LengthBytes = (long)header.TotalBytes - CheckpointJournal.SizeOf((int)header.RecordCount, 0),
        };
    }

    private static JournalOutcome Outcome(JournalState state) =>
        state == JournalState.Torn ? JournalOutcome.Torn : JournalOutcome.NoJournal;

    private static void CheckPair(
        IBlockDevice backing, JournalPlace place, in JournalHeader header, bool acceptOtherFile)
    {
        UInt128 file = (backing as IBackingFile)?.FileId ?? 0;
        string? wrong = !acceptOtherFile && header.FileId != 0 && file != 0 && header.FileId != file
            ? "it was made for another file (a copy of this one, or what was there before)"
            : backing.Length < (long)header.BackingLength && !backing.CanResize
            ? $"it was made for a device of {header.BackingLength} bytes, and this one has {backing.Length}"
            : null;
        if (wrong is not null)
        {
            throw new PCacheBackingMismatchException(
                BackingMismatchReason.Journal,
                $"The checkpoint journal {SafeText.Of(place.Name)} doesn't belong to this backing: {wrong}. Nothing "
                + $"was changed.")
            {
                CacheId = header.CacheId.ToGuid(),
                ActualLength = backing.Length,
                ExpectedLength = (long)header.BackingLength,
                LastKnown = MadeAt(in header),
            };
        }
    }
}
