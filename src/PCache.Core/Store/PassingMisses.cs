using PCache.Core.Indexing;

namespace PCache.Core.Store;

/// <summary>
/// Misses of a read-only device. Keeps true: the index isn't touched; damaged extents that the backing has too can't
/// be dropped, and are passed over each time. Nothing is written beside them, so all that was read is valid.
/// </summary>
internal sealed class PassingMisses(ExtentStore store) : Misses(store)
{
    /// <inheritdoc/>
    public override bool MayFill => true;

    /// <inheritdoc/>
    protected override bool TryReserve(MissOperation miss)
    {
        if (miss.Shard.Stripes.Find(miss.Stripe) is not { } index)
        {
            return true;
        }

        index.Lookup(miss.Start, miss.End, miss.Pieces);
        int end = miss.Start;
        foreach (ref readonly Extent piece in miss.Pieces.AsSpan())
        {
            if (!piece.IsGap && !Store.IsDead(in piece) && !IsUseless(in piece))
            {
                break;
            }

            end = piece.End;
        }

        miss.Pieces.Clear();
        miss.End = end;
        return end > miss.Start;
    }

    /// <inheritdoc/>
    protected override void LeaveEmpty(MissOperation miss)
    {
        // Nothing was put into the index.
    }

    /// <inheritdoc/>
    protected override int Settle(int index, MissOperation miss, bool roomIsWanted) => miss.End - miss.Start;

    /// <inheritdoc/>
    protected override void Abandon(MissOperation miss)
    {
        // Nothing was put into index or segments.
    }

    private bool IsUseless(in Extent piece) => Store.VerifiesReads && piece.IsClean && !Store.PayloadFits(in piece);
}
