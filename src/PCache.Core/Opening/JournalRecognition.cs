using PCache.Core.Files;
using PCache.Core.Journal;
using PCache.Core.Ksets;
using PCache.Core.Writeback;

namespace PCache.Core.Opening;

/// <summary>
/// The checkpoint journal at an open: where it stands, whose it is, and whether the backing may lack something of it.
/// </summary>
/// <remarks>
/// Keeps true: a whole journal is never ignored: it is this cache's, and then done with or to be finished; or the open
/// ends with an exception that says whose it is; or it is applied. Which it is, the numbers of the ksets tell: those
/// before the dirty tail are written back, and none behind the end of the log is this image's. A torn one is what an
/// interrupted checkpoint leaves before the backing was touched. One that is done with is gone before the first kset
/// of this open is logged. Nothing is changed before the caller says so. Belongs to the opening thread.
/// </remarks>
internal sealed class JournalRecognition : IDisposable
{
    private readonly PCacheOptions _options;
    private readonly IBlockDevice _backing;
    private readonly JournalPlace? _place;
    private JournalState _state;
    private JournalHeader _header;
    private bool _isForeign;
    private bool _isPending;

    private JournalRecognition(PCacheOptions options, IBlockDevice backing)
    {
        _options = options;
        _backing = backing;
        _place = PlaceFor(options, backing);
    }

    /// <summary>Where the journal of a backing stands; null: no place is known.</summary>
    public static JournalPlace? PlaceFor(PCacheOptions options, IBlockDevice backing)
    {
        if (options.CheckpointJournal is { } device)
        {
            return new DeviceJournalPlace(device);
        }

        if (options.CheckpointJournalPath is { } path)
        {
            return new FileJournalPlace(Path.GetFullPath(path), isImplied: false);
        }

        return backing is IBackingFile { FilePath: { } file } known && (known.FileId != 0 || backing.CanResize)
            ? new FileJournalPlace(file + JournalConstants.FileSuffix, isImplied: true)
            : null;
    }

    /// <summary>Reads what stands there.</summary>
    /// <exception cref="IOException">It can't be read.</exception>
    public static JournalRecognition Read(PCacheOptions options, IBlockDevice backing)
    {
        var recognition = new JournalRecognition(options, backing);
        if (recognition._place is { } place)
        {
            recognition._state = new JournalReader(place).Verify(out recognition._header);
        }

        return recognition;
    }

    /// <summary>Whose it is, and how far this cache is.</summary>
    /// <param name="cacheId">This cache.</param>
    /// <param name="dirtyTailSequence">Number of the kset at the dirty tail; of the next one where that is the end; 0:
    /// Linux wrote it.</param>
    /// <param name="lastSequence">Number of the log's last kset; 0: none has one.</param>
    /// <exception cref="PCacheBackingMismatchException">It belongs to another cache, or is later than this
    /// image.</exception>
    public void Judge(Guid cacheId, uint dirtyTailSequence, uint lastSequence)
    {
        if (_state != JournalState.Valid)
        {
            return;
        }

        Guid maker = _header.CacheId.ToGuid();
        if (maker != cacheId)
        {
            _isForeign = true;
            Refuse($"Beside the backing stands the checkpoint journal {SafeText.Of(_place!.Name)} of another cache, "
                + $"{maker}, made {MadeAt:u}; this is {cacheId}. Without the journal the backing is in between two "
                + $"states. Open the backing with that cache, or apply the journal (PCacheBacking.Recover, or \"pcache "
                + $"recover\") and give this cache up, or set PCacheOptions.RebindBacking: the journal is applied, and "
                + $"this cache goes on in front of the result.", maker);
            return;
        }

        bool isWrittenBack = dirtyTailSequence == 0
            || SequenceTracker.Distance(_header.LastSequence, dirtyTailSequence) - 1 < int.MaxValue;
        bool isInTheLog = lastSequence != 0
            && SequenceTracker.Distance(_header.LastSequence, lastSequence) < int.MaxValue;
        if (!isWrittenBack && !isInTheLog)
        {
            Refuse($"The checkpoint journal {SafeText.Of(_place!.Name)}, made {MadeAt:u}, is later than this cache: it "
                + $"covers the log up to kset {_header.LastSequence}, and the log ends at {lastSequence}. The cache is "
                + $"an older copy, or a power cut took from it what wasn't power-safe. The backing with its journal is "
                + $"the newer state: apply it (PCacheBacking.Recover, or \"pcache recover\") and make a new cache, or "
                + $"set PCacheOptions.RebindBacking to go back to what this cache holds.", maker);
            return;
        }

        _isPending = !isWrittenBack;
    }

    /// <summary>
    /// How write-back goes on. A journal of another cache, to which consent was given, is applied first.
    /// </summary>
    /// <exception cref="IOException">Journal or backing failed.</exception>
    public CheckpointSettings MakeReady(bool isLinuxGeometry)
    {
        BackingConsistency level = _options.BackingConsistency
            ?? (_place is not null && !isLinuxGeometry ? BackingConsistency.Checkpoint : BackingConsistency.EachFlush);
        if (_place is null)
        {
            return new CheckpointSettings(level, Journal: null);
        }

        if (_state == JournalState.Foreign && _place is FileJournalPlace && level == BackingConsistency.Checkpoint)
        {
            throw new PCacheException($"{SafeText.Of(_place.Name)} isn't a checkpoint journal, and stands where one "
                + $"has to be written. Move it away, name another place (PCacheOptions.CheckpointJournalPath), or set "
                + $"PCacheOptions.BackingConsistency to EachFlush.");
        }

        if (level == BackingConsistency.Checkpoint && !TryPlace(_place, out Exception? failure))
        {
            if (_options.BackingConsistency is not null)
            {
                throw new PCacheException($"The checkpoint journal {SafeText.Of(_place.Name)} can't be written: "
                    + $"{failure!.Message} Name another place (PCacheOptions.CheckpointJournalPath), or set "
                    + $"PCacheOptions.BackingConsistency to EachFlush.", failure);
            }

            level = BackingConsistency.EachFlush;
        }

        if (_isForeign)
        {
            JournalApplication.Run(_backing, _place, acceptOtherFile: true);
            (_state, _header) = (JournalState.None, default);
        }

        var journal = new CheckpointJournal(_place, _state, in _header, _isPending);
        if (!_isPending && _state != JournalState.Foreign)
        {
            // Numbers of ksets begin anew where the log is empty: a journal that is done with must not be compared with
            // what comes now.
            journal.ClearFound();
        }

        return new CheckpointSettings(level, journal);
    }

    /// <summary>Before a cache is made over a backing: what its journal says is part of it.</summary>
    /// <exception cref="PCacheBackingMismatchException">The journal belongs to another backing.</exception>
    /// <exception cref="IOException">Journal or backing failed.</exception>
    public static void ApplyBeforeCreate(PCacheOptions options, IBlockDevice backing)
    {
        using JournalPlace? place = PlaceFor(options, backing);
        if (place is not null)
        {
            JournalApplication.Run(backing, place, acceptOtherFile: options.RebindBacking);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _place?.Dispose();

    private DateTimeOffset MadeAt => JournalApplication.MadeAt(in _header);

    private static bool TryPlace(JournalPlace place, out Exception? failure)
    {
        try
        {
            place.Probe();
            failure = null;
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            failure = e;
            return false;
        }
    }

    private void Refuse(string message, Guid maker)
    {
        if (!_options.RebindBacking)
        {
            throw new PCacheBackingMismatchException(BackingMismatchReason.Journal, message)
            {
                CacheId = maker,
                ActualLength = _backing.Length,
                LastKnown = MadeAt,
            };
        }
    }
}
