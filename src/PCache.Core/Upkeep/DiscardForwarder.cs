using PCache.Core.Store;
using PCache.Core.Writeback;

namespace PCache.Core.Upkeep;

/// <summary>
/// Tells the backing of discards. Keeps true: it is told once everything logged before the discard has been written
/// back, only of whole blocks that weren't rewritten since, and only after that is durably noted; that it can't
/// discard after all is no failure. Runs on the maintenance thread.
/// </summary>
internal sealed class DiscardForwarder(
    ExtentStore store, DiscardQueue discards, DeviceRecords records, RecentBlocks recent, IBlockDevice backing)
{
    private const int SectorSize = Layout.MediaConstants.SectorSize;

    /// <summary>Forwards one discard that the dirty tail has passed. Returns whether there was one.</summary>
    public bool ForwardOne()
    {
        if (discards.IsEmpty || !discards.TryPeek(store.Positions.DirtyTail.Distance, out long first, out long end))
        {
            return false;
        }

        if (StripeRanges.TryTakeDiscard(store.Index, discards, first, ref end))
        {
            // Writes that come now stay in the cache until write-back, which runs on this thread after this.
            TellBacking(first * SectorSize, end * SectorSize);
        }

        return true;
    }

    private void TellBacking(long from, long to)
    {
        long block = Math.Max(backing.BlockSize, 1);
        from = (from + block - 1) & -block;
        to &= -block;
        if (from >= to)
        {
            return;
        }

        recent.Forget(from, to);
        try
        {
            records.AddDiscard(from, to);
            backing.Discard(from, to - from);
        }
        catch (Exception e) when (e is IOException or NotSupportedException)
        {
            // Advisory: forgotten. Where the note failed, the backing isn't told.
        }
    }
}
