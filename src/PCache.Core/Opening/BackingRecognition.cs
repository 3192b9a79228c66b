using System.Runtime.InteropServices;
using PCache.Core.Files;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Opening;

/// <summary>
/// Whether the backing is the right one. Keeps true: a backing is compared before anything is changed, with whatever
/// is known of it: identity, length, and, where the last close was an orderly one, some of its content; after a
/// crash, some of what the cache holds as clean, and what it held when it was last opened, as far as nothing was
/// written back since. Only <see cref="PCacheOptions.RebindBacking"/> passes over a difference. A block that can't be
/// read is no difference; but a writable open wants to have read one. Belongs to the opening thread.
/// </summary>
internal sealed class BackingRecognition
{
    private readonly PmemRegion _region;
    private readonly IBlockDevice _backing;
    private readonly PCacheOptions _options;
    private readonly MediaState _media;
    private BackingRecord _record;
    private ReplicaState _recordReplicas;
    private FingerprintRecord? _fingerprint;

    public BackingRecognition(PmemRegion region, IBlockDevice backing, PCacheOptions options, MediaState media)
    {
        _region = region;
        _backing = backing;
        _options = options;
        _media = media;
        _record = BackingRecord.Read(region, media.Extension?.CacheId.ToGuid() ?? Guid.Empty, out _recordReplicas);
    }

    /// <summary>What the comparison came to.</summary>
    public BackingCheck Result { get; private set; } = BackingCheck.NoFingerprint;

    /// <summary>Places that write-back wrote last before this open.</summary>
    public IReadOnlyList<long> RecentPlaces { get; private set; } = [];

    /// <summary>What is durably known of the backing.</summary>
    public BackingRecord Record => _record;

    /// <summary>Where that stands.</summary>
    public ReplicaState RecordReplicas => _recordReplicas;

    private UInt128? FileId => (_backing as IBackingFile)?.FileId;

    /// <summary>Compares identity and length, before anything else is read.</summary>
    /// <exception cref="PCacheBackingMismatchException">Another backing was bound.</exception>
    public void CheckBinding()
    {
        if (_media.Extension is not { } block || _options.RebindBacking)
        {
            return;
        }

        Guid identity = block.BackingIdentity.ToGuid();
        if (identity != Guid.Empty && identity != _options.BackingIdentity)
        {
            throw Mismatch(
                BackingMismatchReason.Identity,
                in block,
                $"is bound to the backing with identity {identity}, the options name "
                + $"{(_options.BackingIdentity == Guid.Empty ? "none" : _options.BackingIdentity.ToString())}");
        }

        if (block.BackingLength == 0)
        {
            return;
        }

        // A backing that can grow is bound with its least length. One that is opened read-only can't, so it is judged
        // by what it was when bound.
        bool mayBeLonger = _backing.CanResize || (block.Flags & ExtensionBlocks.ResizableBackingFlag) != 0;
        ulong length = (ulong)_backing.Length;
        if (mayBeLonger ? length < block.BackingLength : length != block.BackingLength)
        {
            throw Mismatch(
                BackingMismatchReason.Length,
                in block,
                $"is bound to a backing of {(mayBeLonger ? "at least " : string.Empty)}{block.BackingLength} bytes, "
                + $"this one has {length}",
                (long)block.BackingLength);
        }
    }

    /// <summary>
    /// Compares the backing with its fingerprint, where there is one that counts, or else with what the cache knows
    /// of it after a crash.
    /// </summary>
    /// <exception cref="PCacheBackingMismatchException">Its content isn't what it was.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; a backing that hangs doesn't keep it from
    /// that.</exception>
    public void CheckContent(ReplayedLog log, CancellationToken cancellationToken)
    {
        CheckFingerprint(log, cancellationToken);
        if (Result is BackingCheck.NoFingerprint or BackingCheck.Stale)
        {
            CheckAfterCrash(log, cancellationToken);
        }
    }

    private void CheckFingerprint(ReplayedLog log, CancellationToken cancellationToken)
    {
        if (_media.Extension is not { } block || block.Fingerprint.Kind is 0 or ExtensionBlocks.OpenFingerprintKind)
        {
            return;
        }

        if (!ExtensionBlocks.TryGetFingerprint(
            in block,
            _media.ExtensionReplicas,
            ExtensionBlocks.StateOf(log.Extents.Positions.KeyHead.Position, _media.DirtyTail, _media.Generations),
            out FingerprintRecord record))
        {
            Result = BackingCheck.Stale;
            return;
        }

        Guid cacheId = block.CacheId.ToGuid();
        if (_options.BackingFingerprintBlocks == 0 || _options.RebindBacking)
        {
            Result = BackingCheck.PassedOver;
            return;
        }

        DateTimeOffset taken = ExtensionBlocks.TakenAt(in record);
        if (record.BackingLength != (ulong)_backing.Length)
        {
            throw Mismatch(
                BackingMismatchReason.Length,
                in block,
                $"knows a backing of {record.BackingLength} bytes from its last close at {taken:u}, this one has "
                + $"{_backing.Length}, so it was changed meanwhile or is another one",
                (long)record.BackingLength,
                taken);
        }

        BackingFingerprint now = BackingFingerprint.Of(_backing, cacheId, in record);
        Read(now, cancellationToken);
        IReadOnlyList<DeviceRange> changed = now.Differences(in record);
        if (changed.Count > 0)
        {
            int compared = now.BlockCount - now.UnreadBlocks;
            throw Mismatch(
                BackingMismatchReason.Content,
                in block,
                $"doesn't know this backing: of {compared} blocks compared, {changed.Count} differ from what they held "
                + $"at its last close at {taken:u}, the first at byte {changed[0].Offset}, so it was changed meanwhile "
                + $"or is another one",
                (long)record.BackingLength,
                taken,
                compared,
                changed);
        }

        if (now.Failure is { } failure && now.UnreadBlocks == now.BlockCount && !_options.ReadOnly)
        {
            throw new PCacheException($"None of the backing's blocks that tell whether it is the right one can be "
                + $"read: {failure.Message} Nothing was changed. Set PCacheOptions.BackingFingerprintBlocks to 0 to "
                + $"open without comparing.", failure);
        }

        RecentPlaces = [.. now.RecentPlaces];
        _fingerprint = record;
        Result = now.UnreadBlocks > 0 ? BackingCheck.PartlyMatched : BackingCheck.Matched;
    }

    /// <summary>
    /// Reads on a thread of its own where the open can be cancelled: a backing that hangs doesn't keep it from that.
    /// </summary>
    private void Read(BackingFingerprint fingerprint, CancellationToken cancellationToken) =>
        OnOwnThread(() => fingerprint.Read(cancellationToken), cancellationToken);

    private void OnOwnThread(Action read, CancellationToken cancellationToken)
    {
        if (!cancellationToken.CanBeCanceled || _options.Maintenance == MaintenanceMode.Manual)
        {
            read();
            return;
        }

        Task reading = Task.Factory.StartNew(
            read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        reading.WaitAsync(cancellationToken).GetAwaiter().GetResult();
    }

    /// <summary>
    /// What is clean in the cache is on the backing, but for what a group of write-back may have been writing (which
    /// is dirty).
    /// </summary>
    private void CheckAfterCrash(ReplayedLog log, CancellationToken cancellationToken)
    {
        if (_options.BackingFingerprintBlocks == 0 || _options.RebindBacking || !_options.CompareBackingAfterCrash)
        {
            return;
        }

        ExtensionBlock block = _media.Extension ?? default;
        var sample = new CleanSample(_region, _media, log.Extents.Index, _backing, _record);
        OnOwnThread(
            () =>
            {
                sample.Compare(log.WrittenBack.NewestFirst(), CleanSample.MaxReads * 3 / 4, cancellationToken);
                sample.Compare(log.Filled.NewestFirst(), CleanSample.MaxReads / 4, cancellationToken);
            },
            cancellationToken);
        int compared = sample.Compared;
        IReadOnlyList<DeviceRange> changed = [.. sample.Different.OrderBy(range => range.Offset)];
        string since = "that it has in common with its backing";
        uint state = ExtensionBlocks.StateOfOpen(_media.DirtyTail, _media.DirtyTailReplicas);
        if (changed.Count == 0 && ExtensionBlocks.TryGetFingerprint(
            in block, _media.ExtensionReplicas, state, out FingerprintRecord record,
            ExtensionBlocks.OpenFingerprintKind)
            && record.BackingLength <= (ulong)_backing.Length)
        {
            BackingFingerprint now = BackingFingerprint.Of(_backing, block.CacheId.ToGuid(), in record);
            Read(now, cancellationToken);
            changed = now.Differences(in record, sample.MayDiffer);
            compared += now.BlockCount - now.UnreadBlocks;
            since = "that nothing was written to since it was opened before";
            _fingerprint = record;
        }

        if (changed.Count > 0)
        {
            throw Mismatch(
                BackingMismatchReason.Content,
                in block,
                $"was left by a crash, and doesn't know this backing: of {compared} blocks compared {since}, "
                + $"{changed.Count} hold something else, the first at byte {changed[0].Offset}: it was changed "
                + $"meanwhile (an older copy put back, say), or is another one",
                comparedBlocks: compared,
                changed: changed);
        }

        if (compared > 0)
        {
            Result = BackingCheck.MatchedAfterCrash;
        }
        else if (log.Extents.Dirty.Keys > 0 && _record.FileId != 0 && FileId is { } file && file != 0
            && file != _record.FileId)
        {
            throw Mismatch(
                BackingMismatchReason.File,
                in block,
                $"was left by a crash with {log.Extents.Dirty.Bytes} dirty bytes, in front of another file than this "
                + $"one, and holds nothing that would tell whether this is a copy of it");
        }
    }

    /// <summary>
    /// What is known of the backing's content goes on counting, for what nothing is written back to. Changes the
    /// medium.
    /// </summary>
    public void KeepFingerprint(bool cacheIsEmpty)
    {
        // The discards are forgotten with an empty cache: what was known of the backing before them goes with them.
        if (cacheIsEmpty && _options.CompareBackingAfterCrash && (_fingerprint is null || _record.RangeCount > 0))
        {
            _fingerprint = TakeFingerprint();
        }

        if (_fingerprint is not { } record || !_options.CompareBackingAfterCrash || _options.RebindBacking
            || Result == BackingCheck.PassedOver || _media.Extension is null)
        {
            ExtensionBlocks.ClearFingerprint(_region, _media);
            return;
        }

        record.State = ExtensionBlocks.StateOfOpen(_media.DirtyTail, _media.DirtyTailReplicas);
        ExtensionBlocks.SetFingerprint(_region, _media, record, ExtensionBlocks.OpenFingerprintKind);
    }

    /// <summary>
    /// Of a backing that the cache holds nothing of: it is what it is now. Null: it can't be read, or isn't wanted.
    /// </summary>
    private FingerprintRecord? TakeFingerprint()
    {
        if (_options.BackingFingerprintBlocks == 0 || _options.RebindBacking
            || _media.Extension is not { BackingLength: > 0 } block)
        {
            return null;
        }

        try
        {
            _backing.Flush(); // a power cut takes back nothing of what it is about
            BackingFingerprint fingerprint = BackingFingerprint.Begin(
                _backing, block.CacheId.ToGuid(), _options.BackingFingerprintBlocks, [],
                _options.TimeProvider.GetUtcNow(), out FingerprintRecord record);
            fingerprint.Read(CancellationToken.None);
            fingerprint.Store(ref record);
            return fingerprint.UnreadBlocks == 0 ? record : null;
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return null; // whatever a backing may throw: the next use of it meets it
        }
    }

    /// <summary>
    /// Keeps which file the backing is, and what of the log tells nothing of its content. Changes the medium.
    /// </summary>
    public void KeepRecord(bool cacheIsEmpty, uint lastSequence)
    {
        BackingRecord record = _record;
        record.CacheId = _media.Extension?.CacheId ?? default;
        record.SetFile(FileId ?? 0);
        if (_options.RebindBacking)
        {
            record.SinceSequence = lastSequence; // what was logged so far came from another backing, or went to it
        }

        if (cacheIsEmpty)
        {
            (record.RangeCount, record.Discarded, record.SinceSequence) = (0, default, 0);
        }

        if (!MemoryMarshal.AsBytes(new Span<BackingRecord>(ref record))[8..].SequenceEqual(
            MemoryMarshal.AsBytes(new Span<BackingRecord>(ref _record))[8..]))
        {
            BackingRecord.Write(_region, ref record, ref _recordReplicas);
        }

        _record = record;
    }

    private PCacheBackingMismatchException Mismatch(
        BackingMismatchReason reason,
        in ExtensionBlock block,
        InvariantText what,
        long? expectedLength = null,
        DateTimeOffset? lastKnown = null,
        int comparedBlocks = 0,
        IReadOnlyList<DeviceRange>? changed = null)
    {
        string label = ExtensionBlocks.GetLabel(in block);
        Guid cacheId = block.CacheId.ToGuid();
        Guid identity = block.BackingIdentity.ToGuid();
        string name = label.Length == 0 ? $"{cacheId}" : $"{cacheId} ('{SafeText.Of(label)}')";
        return new PCacheBackingMismatchException(
            reason,
            $"The cache {name} {what.Take()}. Open it with the right backing, or set PCacheOptions.RebindBacking to "
            + $"bind it to this one as it is.")
        {
            CacheId = cacheId == Guid.Empty ? null : cacheId,
            CacheLabel = label,
            ExpectedIdentity = identity == Guid.Empty ? null : identity,
            ActualIdentity = _options.BackingIdentity,
            ExpectedLength = expectedLength ?? (block.BackingLength == 0 ? null : (long)block.BackingLength),
            ActualLength = _backing.Length,
            LastKnown = lastKnown,
            ComparedBlocks = comparedBlocks,
            ChangedBlocks = changed ?? [],
        };
    }
}
