using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Store;

namespace PCache.Core.Engine;

/// <summary>
/// Discard. Advisory: whole sectors of the range that the backing has too are dropped from the cache now; the backing
/// is told later, once everything logged before the discard has been written back, and only of whole blocks that
/// weren't rewritten since. Never waits, never fails for want of room. Any thread.
/// </summary>
internal sealed class DiscardPath(WriteParts parts, IBlockDevice backing)
{
    private const int SectorSize = MediaConstants.SectorSize;

    /// <inheritdoc cref="IBlockDevice.Discard"/>
    public void Discard(long offset, long length)
    {
        Ranges.Check(offset, length);
        ExtentStore store = parts.Store;
        int token = parts.Gate.Enter();
        try
        {
            store.Counters.Add(OperationGate.IndexOf(token), DeviceCounter.Discards, 1);
            long first = (offset + SectorSize - 1) / SectorSize;
            long end = Math.Min(offset + length, store.Length) / SectorSize;
            if (first >= end)
            {
                return;
            }

            StripeRanges.DropClean(store.Index, first, end);
            if (backing.CanDiscard)
            {
                // Keys that are pending now get logged behind this distance at the latest; write-back has to have
                // passed them.
                parts.Writer.Log.AppendAll();
                parts.Writer.Discards.Add(first, end, store.Positions.KeyHead.Distance);
            }
        }
        finally
        {
            parts.Gate.Exit(token);
            parts.Work.Tell();
        }
    }
}
