using PCache.Core.Journal;
using PCache.Core.Ksets;
using PCache.Core.Layout;

namespace PCache.Core.Writeback;

/// <summary>How write-back keeps the backing consistent, as the open has found it.</summary>
/// <param name="Level">The level to begin with.</param>
/// <param name="Journal">The journal, where a place for one is known.</param>
internal sealed record CheckpointSettings(BackingConsistency Level, CheckpointJournal? Journal);

/// <content>
/// Checkpoints. Keeps true: the journal is whole and durable before the first of its bytes goes to the backing; every
/// payload is verified before it enters the journal; a journal that is pending is applied, as it is, before anything
/// else; one that is done with is invalid before anything is written that it doesn't have.
/// </content>
internal sealed partial class WritebackWorker
{
    private int _level;
    private long _forcedBarriers;

    /// <summary>
    /// How consistent the backing is kept. Any thread may set it; the next group or window follows it.
    /// </summary>
    public BackingConsistency Level
    {
        get => (BackingConsistency)Volatile.Read(ref _level);
        set => Volatile.Write(ref _level, (int)value);
    }

    /// <summary>The journal; null: there is no place for one.</summary>
    public CheckpointJournal? Journal { get; }

    /// <summary>The last flush that the backing is known to hold.</summary>
    public FlushMark Passed => _parts.Log.Marks.Passed(_parts.Positions.DirtyTail.Distance);

    /// <summary>Flushes that write-back has made itself, so that a window could end.</summary>
    public long ForcedBarriers => Volatile.Read(ref _forcedBarriers);

    private long CheckpointLimit => Journal is { Place.Capacity: < long.MaxValue } journal
        ? Math.Min(_options.CheckpointBytes, journal.Place.Capacity / 2)
        : _options.CheckpointBytes;

    /// <summary>
    /// No flush has ended what is dirty: ends it here. What stands in the log is all that had returned before some
    /// moment, so it is as good an end as a flush of the caller's.
    /// </summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void ForceBarrier()
    {
        Volatile.Write(ref _forcedBarriers, _forcedBarriers + 1);
        _parts.Log.Flush();
    }

    /// <summary>
    /// Leaves nothing beside a backing that has everything, or at least all of some flush: also before something is
    /// written to it that no journal has, or it is cut. False: the journal is pending.
    /// </summary>
    /// <exception cref="IOException">The journal's place failed.</exception>
    public bool TryEndJournal()
    {
        try
        {
            if (Journal is { HasContent: true, IsPending: false } journal)
            {
                journal.Clear();
            }

            return Journal is not { IsPending: true };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw JournalFailed(e, "ended");
        }
    }

    /// <summary>Writes the plan into the journal. False: a payload is damaged, and there is no journal.</summary>
    private bool TryWriteJournal(LogPoint end, CancellationToken stop)
    {
        CheckpointJournal journal = Journal!;
        try
        {
            journal.Begin(HeaderOf(end));
            foreach (ref readonly WritebackRun run in _plan.Runs)
            {
                stop.ThrowIfCancellationRequested();
                if (!VerifyRun(run))
                {
                    return false;
                }

                _writer.Fill(_plan, in run, journal.Reserve(run.LengthBytes));
                journal.Add(run.Offset, run.LengthBytes);
                _writer.NoteProgress();
            }

            stop.ThrowIfCancellationRequested();
            journal.Commit();
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw JournalFailed(e, "written");
        }
    }

    private JournalHeader HeaderOf(LogPoint end)
    {
        LogPosition from = _parts.Positions.DirtyTail.Position;
        ExtensionBlock block = _parts.Media.Extension ?? default;
        UInt128 file = (_backing as IBackingFile)?.FileId ?? 0;
        return new JournalHeader
        {
            CacheId = block.CacheId,
            FirstSequence = _firstSequence,
            LastSequence = _lastSequence,
            FromSegment = (uint)from.Segment,
            FromOffset = (uint)from.Offset,
            ToSegment = (uint)end.Position.Segment,
            ToOffset = (uint)end.Position.Offset,
            BackingLength = (ulong)Math.Min(Math.Max(_backing.Length, _deviceLength), EndsAt),
            RecordCount = (ulong)_plan.Runs.Length,
            TotalBytes = (ulong)CheckpointJournal.SizeOf(_plan.Runs.Length, _plan.RunBytes),
            BackingIdentity = block.BackingIdentity,
            FileBorn = (ulong)(file >> 64),
            FileNumber = (ulong)file,
            MadeAt = _options.TimeProvider.GetUtcNow().ToUnixTimeMilliseconds(),
        };
    }

    private IOException JournalFailed(Exception error, string what)
    {
        var failure = new IOException($"The checkpoint journal {Files.SafeText.Of(Journal!.Place.Name)} couldn't be "
            + $"{what}: {error.Message} Nothing is lost: what is dirty stays in the cache. Make room there, name "
            + $"another place (PCacheOptions.CheckpointJournalPath), or set PCacheOptions.BackingConsistency to "
            + $"EachFlush.", error);
        BackingError = failure; // the journal is a part of the backing, not of the cache's medium
        return failure;
    }

    /// <summary>
    /// Finishes the checkpoint whose journal is pending, as it is. False: the journal is gone, and the log has it all
    /// the same.
    /// </summary>
    private bool TryFinishCheckpoint(CancellationToken stop)
    {
        _verifyFirst = false;
        LogPoint end = CollectTo(Journal!.Header.To, stop);
        _callingBacking = true;
        try
        {
            BuildPlan();
            Lengthen();
            if (!Journal.TryApply(_backing, stop))
            {
                return false;
            }
        }
        catch (Exception e) when (NoteBackingError(e))
        {
            throw;
        }
        finally
        {
            _callingBacking = false;
        }

        Settle(end);
        Pass(end);
        return true;
    }
}
