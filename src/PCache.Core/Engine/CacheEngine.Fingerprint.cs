using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// The fingerprint of the backing that a close leaves in the cache. Keeps true: it is made after the last operation in flight, so neither backing nor log changes
/// after it; the backing is flushed first, so a power cut takes back nothing that it is about; there is none of a backing that failed or is behind (a
/// truncation that wasn't finished), nor one that isn't complete; it takes no longer than what is left of the time that the close may take, and then the region is let go
/// without one. Only the thread that lets the region go writes it there.
/// </summary>
internal sealed partial class CacheEngine
{
    /// <summary>Makes and keeps a fingerprint, if one is wanted and can be had. Never throws. The task is what still uses the backing.</summary>
    private Task KeepFingerprint()
    {
        bool failed = _maintenance.Error is not null;
        if (_options.BackingFingerprintBlocks == 0 || failed || _truncationPending || _media.Extension is not { BackingLength: > 0 } block)
        {
            return Task.CompletedTask;
        }

        TimeSpan left = _close!.Left;
        if (left == TimeSpan.Zero)
        {
            return Task.CompletedTask;
        }

        using var stop = new CancellationTokenSource();
        CancellationToken stopped = stop.Token;
        Task<FingerprintRecord?> making;
        if (_maintenance.IsManual)
        {
            making = Task.FromResult(MakeFingerprint(block.CacheId.ToGuid(), stopped));
        }
        else
        {
            making = Task.Factory.StartNew(() => MakeFingerprint(block.CacheId.ToGuid(), stopped), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            if (!Uninterrupted.Wait(making, left))
            {
                stop.Cancel(); // between two blocks; a call that hangs goes on as long as it wants to
                return making;
            }
        }

        if (making.Result is { } record)
        {
            record.State = ExtensionBlocks.StateOf(KeyHead, DirtyTail, _segments.Generations);
            try
            {
                using (_settingsLock.Hold())
                {
                    ExtensionBlocks.SetFingerprint(_region, _media, record);
                }
            }
            catch (Exception)
            {
                // The medium: acknowledged writes are in the log all the same, and the next open has nothing to compare.
            }
        }

        return Task.CompletedTask;
    }

    /// <summary>Null: the backing can't be flushed or read.</summary>
    private FingerprintRecord? MakeFingerprint(Guid cacheId, CancellationToken stop)
    {
        try
        {
            _backing.Flush();

            BackingFingerprint fingerprint = BackingFingerprint.Begin(
                _backing, cacheId, _options.BackingFingerprintBlocks, _writeback.Recent.Places, _clock.GetUtcNow(), out FingerprintRecord record);
            fingerprint.Read(stop);
            fingerprint.Store(ref record);
            return fingerprint.UnreadBlocks == 0 && (long)record.BackingLength == Length ? record : null;
        }
        catch (Exception)
        {
            return null; // whatever a backing may throw
        }
    }

    /// <summary>The backing is disposed once the call that hangs in it has returned, as it is behind an operation in flight.</summary>
    private void DisposeBackingAfter(Task call) => call.ContinueWith(
        _ =>
        {
            Exception? nobodyIsLeftToTell = null;
            Try(_backing.Dispose, ref nobodyIsLeftToTell);
        },
        CancellationToken.None,
        TaskContinuationOptions.None,
        TaskScheduler.Default);
}
