using PCache.Core.Layout;
using PCache.Core.Opening;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// The fingerprint of the backing that a close leaves in the cache. Keeps true: it is made after the last operation
/// in flight, so neither backing nor log changes after it; the backing is flushed first, so a power cut takes back
/// nothing that it is about; there is none of a backing that failed or is behind (a truncation that wasn't finished),
/// nor one that isn't complete; it takes no longer than what is left of the time that the close may take, and then
/// the region is let go without one. What goes wrong with it is no failure of the close.
/// </summary>
internal sealed class ClosingFingerprint(
    UpkeepParts parts, Maintenance maintenance, DeviceLength length, DeviceRecords records, IBlockDevice backing)
{
    /// <summary>
    /// Makes and keeps a fingerprint, if one is wanted and can be had. Never throws. The task is what still uses the
    /// backing.
    /// </summary>
    public Task Keep(TimeSpan left)
    {
        if (parts.Options.BackingFingerprintBlocks == 0
            || maintenance.Trouble.Error is not null
            || length.IsTruncationPending
            || parts.Store.Media.Extension is not { BackingLength: > 0 } block
            || left == TimeSpan.Zero)
        {
            return Task.CompletedTask;
        }

        using var stop = new CancellationTokenSource();
        CancellationToken stopped = stop.Token;
        Guid cacheId = block.CacheId.ToGuid();
        Task<FingerprintRecord?> making = maintenance.IsManual
            ? Task.FromResult(Make(cacheId, stopped))
            : Task.Factory.StartNew(
                () => Make(cacheId, stopped), CancellationToken.None, TaskCreationOptions.LongRunning,
                TaskScheduler.Default);
        if (!Uninterrupted.Wait(making, left))
        {
            stop.Cancel(); // between two blocks; a call that hangs goes on for as long as it hangs
            return making;
        }

        if (making.Result is { } record)
        {
            Store(record);
        }

        return Task.CompletedTask;
    }

    private void Store(FingerprintRecord record)
    {
        ExtentStore store = parts.Store;
        record.State = ExtensionBlocks.StateOf(
            store.Positions.KeyHead.Position, store.Positions.DirtyTail.Position, store.Segments.Generations);
        try
        {
            records.KeepFingerprint(in record);
        }
        catch (Exception)
        {
            // The medium: acknowledged writes are in the log all the same, and the next open has nothing to compare.
        }
    }

    /// <summary>Null: the backing can't be flushed or read.</summary>
    private FingerprintRecord? Make(Guid cacheId, CancellationToken stop)
    {
        try
        {
            backing.Flush();
            BackingFingerprint fingerprint = BackingFingerprint.Begin(
                backing,
                cacheId,
                parts.Options.BackingFingerprintBlocks,
                parts.Writeback.Recent.Places,
                parts.Options.TimeProvider.GetUtcNow(),
                out FingerprintRecord record);
            fingerprint.Read(stop);
            fingerprint.Store(ref record);
            return fingerprint.UnreadBlocks == 0 && (long)record.BackingLength == parts.Storage.BackingEnd
                ? record : null;
        }
        catch (Exception)
        {
            return null; // whatever a backing may throw
        }
    }
}
