using PCache.Core.Indexing;
using PCache.Core.Layout;

namespace PCache.Core.Engine;

/// <summary>
/// Growth and truncation. Keeps true: the backing is longer before a key beyond its old end can be logged (durably so, where the log survives power cuts);
/// a truncation publishes the new length under all shards' locks, so no key beyond it enters the index afterwards; everything logged before is written back
/// and has left the log before the backing is cut, so nothing beyond the new end can ever be replayed; a truncation that failed is finished before the
/// device may grow again, so what was cut off reads as zeros. One change of length at a time; a call
/// from inside a call of the backing that would wait for itself is refused before anything changes.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>Longest device: keys and plans have to be able to name its end.</summary>
    public const long MaxLength = (long.MaxValue & -(long)StripeSize) - StripeSize;

    private static readonly TimeSpan LengthNotedEvery = TimeSpan.FromSeconds(1);

    private bool _openFingerprintGone;
    private long _lengthNotedAt = long.MinValue / 2;

    public void SetLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxLength);
        int token = EnterResizable();
        try
        {
            EnterLengthGate();
            try
            {
                if (length < Length || _truncationPending)
                {
                    Truncate(Math.Min(length, Length));
                }

                if (length > Length)
                {
                    Grow(length);
                }
            }
            finally
            {
                ExitLengthGate();
            }
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxLength);
        cancellationToken.ThrowIfCancellationRequested();
        int token = EnterResizable();
        try
        {
            await _lengthGate.EnterAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                if (length < Length || _truncationPending)
                {
                    await TruncateAsync(Math.Min(length, Length)).ConfigureAwait(false);
                }

                if (length > Length)
                {
                    await GrowAsync(length, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                _lengthGate.Exit();
            }
        }
        finally
        {
            _gate.Exit(token);
        }
    }

    private int EnterResizable()
    {
        int token = EnterWritableShared();
        if (!_backing.CanResize)
        {
            _gate.Exit(token);
            throw new NotSupportedException("The backing's length is fixed, and so is the device's.");
        }

        return token;
    }

    private void Truncate(long length)
    {
        ThrowIfInsideStep(blocking: true);
        Await(BeginTruncation(length));
        CheckBackingLength();
        BindShorter(length);
        _backing.SetLength(length);
        _backing.Flush();
        EndTruncation(length);
    }

    private async Task TruncateAsync(long length)
    {
        ThrowIfInsideStep(blocking: false);
        await AwaitAsync(BeginTruncation(length), CancellationToken.None).ConfigureAwait(false);
        CheckBackingLength();
        BindShorter(length);
        await _backing.SetLengthAsync(length, CancellationToken.None).ConfigureAwait(false);
        await _backing.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        EndTruncation(length);
    }

    /// <summary>Makes the device at least this long.</summary>
    private void EnsureLength(long end)
    {
        if (end <= Length)
        {
            return;
        }

        ThrowIfFixed(end);
        EnterLengthGate();
        try
        {
            if (end > Length)
            {
                if (_truncationPending)
                {
                    Truncate(Length);
                }

                Grow(end);
            }
        }
        finally
        {
            ExitLengthGate();
        }
    }

    private async ValueTask EnsureLengthAsync(long end, CancellationToken cancellationToken)
    {
        if (end <= Length)
        {
            return;
        }

        ThrowIfFixed(end);
        await _lengthGate.EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (end > Length)
            {
                if (_truncationPending)
                {
                    await TruncateAsync(Length).ConfigureAwait(false);
                }

                await GrowAsync(end, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            _lengthGate.Exit();
        }
    }

    private void ThrowIfFixed(long end)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, MaxLength);
        if (!_backing.CanResize)
        {
            throw new ArgumentOutOfRangeException(nameof(end), end, $"The range ends at {end}, beyond the device's length of {Length} bytes, and the backing's length is fixed.");
        }
    }

    private void Grow(long length)
    {
        CheckBackingLength(); // growing one that somebody has cut would put zeros in the place of what is gone
        _backing.SetLength(length);
        Interlocked.Increment(ref _growths);
        if (_region.IsPowerSafe)
        {
            _backing.Flush(); // keys beyond the old end may become durable before the next flush
        }

        ChangeLength(length);
    }

    private async ValueTask GrowAsync(long length, CancellationToken cancellationToken)
    {
        CheckBackingLength();
        await _backing.SetLengthAsync(length, cancellationToken).ConfigureAwait(false);
        Interlocked.Increment(ref _growths);
        if (_region.IsPowerSafe)
        {
            await _backing.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }

        ChangeLength(length);
    }

    /// <summary>Publishes the shorter length, and asks for the log to be emptied. The task completes when it is.</summary>
    private Task BeginTruncation(long length)
    {
        // From here on the backing is longer than the device, until the truncation has succeeded (be it at another call).
        _truncationPending = true;
        PublishTruncation(0, length);
        _discards.TruncateTo(length / SectorSize);
        _log.AppendAll();

        // From the moment on when what is cut off has left the log, write-back keeps inside the new end: a group may be under way when the backing is cut.
        return _maintenance.Ask(_positions.KeyHead.Distance, collect: true, onReached: () => _writeback.EndsAt = length);
    }

    /// <summary>Sets the length while holding every shard's lock, and takes what lies beyond it out of the index.</summary>
    private void PublishTruncation(int shardNumber, long length)
    {
        if (shardNumber == _index.Shards.Length)
        {
            ChangeLength(length);
            return;
        }

        IndexShard shard = _index.Shards[shardNumber];
        using (shard.Gate.Hold())
        {
            PublishTruncation(shardNumber + 1, length);

            // The last partial sector goes too: what the cache has of it may reach beyond the new end. The backing has it once the log is empty.
            long stripe = length >> ShardedIndex.StripeShift;
            int sector = (int)(length & (StripeSize - 1)) / SectorSize;
            shard.Stripes.RemoveFrom(stripe + 1);
            if (shard.Stripes.Find(stripe) is { } index && sector < StripeIndex.SectorCount)
            {
                TruncateStripe(index, sector, partial: length % SectorSize != 0);
                shard.Stripes.RemoveIfEmpty(stripe);
            }
        }
    }

    private static void TruncateStripe(StripeIndex index, int sector, bool partial)
    {
        if (partial)
        {
            // A miss that began at the old length may bring bytes beyond the new end into the sector: it has been overtaken.
            var placeholders = default(AnyPlaceholderFilter);
            index.RemoveWhere(sector, sector + 1, ref placeholders);
        }

        int first = partial ? sector + 1 : sector;
        if (first < StripeIndex.SectorCount)
        {
            index.Remove(first, StripeIndex.SectorCount);
        }
    }

    private void EndTruncation(long length)
    {
        // The partial last sector is on the backing now, cut off at the new end; the cache's copy of it isn't.
        if (length % SectorSize != 0)
        {
            long stripe = length >> ShardedIndex.StripeShift;
            int sector = (int)(length & (StripeSize - 1)) / SectorSize;
            IndexShard shard = _index.For(stripe);
            using (shard.Gate.Hold())
            {
                var clean = default(CleanFilter);
                shard.Stripes.Find(stripe)?.RemoveWhere(sector, sector + 1, ref clean);
            }
        }

        _writeback.EndsAt = long.MaxValue; // the backing ends there now
        _truncationPending = false;
    }

    /// <summary>Binds the cache to the shorter length, durably, before the backing has it: a crash in between must not look like a wrong backing.</summary>
    private void BindShorter(long length)
    {
        using (_settingsLock.Hold())
        {
            if (_media.Extension is { BackingLength: > 0 } block && block.BackingLength > (ulong)length)
            {
                ExtensionBlocks.Bind(_region, _media, length, block.BackingIdentity.ToGuid(), _backing.CanResize);
            }
        }
    }

    /// <summary>
    /// A group is durable on a backing of this length, and is about to count. What the backing held at the open is no longer what it has to hold; and after a crash a shorter one isn't the right one,
    /// which is noted now and then: what is noted is never more than it has.
    /// </summary>
    private void NoteGroup(long length)
    {
        if (!_openFingerprintGone)
        {
            using (_settingsLock.Hold())
            {
                ExtensionBlocks.ClearFingerprint(_region, _media);
            }

            _openFingerprintGone = true;
        }

        if (!_backing.CanResize || _clock.GetElapsedTime(_lengthNotedAt) < LengthNotedEvery)
        {
            return;
        }

        _lengthNotedAt = _clock.GetTimestamp();
        using (_settingsLock.Hold())
        {
            // A truncation lowers the note under this lock, after it has published its length, and before the backing is cut.
            ExtensionBlocks.RaiseLength(_region, _media, Math.Min(length, Length));
        }
    }

    private void Await(Task task)
    {
        while (_maintenance.IsManual && !task.IsCompleted)
        {
            _maintenance.StepInline(task);
        }

        try
        {
            task.GetAwaiter().GetResult();
        }
        catch
        {
            _maintenance.Withdraw(task); // interrupted: nobody waits any more
            throw;
        }
    }

    private async Task AwaitAsync(Task task, CancellationToken cancellationToken)
    {
        while (_maintenance.IsManual && !task.IsCompleted)
        {
            _maintenance.StepInline(task);
        }

        await task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
