using PCache.Core.Diagnostics;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Batches that are written as a whole or not at all. Keeps true: what is too large is refused before anything
/// changes; until all of a batch has room and its payload is stored, nothing of it is published, and however the
/// attempt ends, room that no key owns goes back; a batch holds room while it waits only when it is its turn, so that
/// batches never wait for one another's. One body for callers that block and callers that don't. Any thread.
/// </summary>
internal sealed class AtomicPath(
    WriteParts parts, AtomicWriter writer, BackingReads misses, RoomWait rooms, DeviceDiagnostics diagnostics)
{
    private readonly SpaceQueue _space = parts.Space;

    /// <summary>How large a batch may be.</summary>
    public AtomicLimits Limits { get; } = AtomicLimits.Of(parts.Store.Segments, parts.Writer.Log.Room);

    /// <summary>Writes a batch.</summary>
    public async ValueTask CommitAsync(
        AtomicContent content, WriteDurability durability, bool async, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Limits.CheckBytes(content.SectorBytes);
        List<AtomicRange> ranges = content.Ranges();
        Limits.CheckRanges(ranges.Count);
        int token = parts.Gate.EnterShared();
        try
        {
            parts.Store.Counters.Add(ThreadIndex.Current, DeviceCounter.Writes, content.Writes);
            if (ranges.Count > 0)
            {
                await PublishAsync(content, ranges, async, cancellationToken).ConfigureAwait(false);
                parts.Store.Counters.Add(ThreadIndex.Current, DeviceCounter.WrittenBytes, content.SectorBytes);
            }

            if (parts.Flushes.NeedsLog(durability))
            {
                if (async)
                {
                    await parts.Flushes.LogNowAsync(durability, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    parts.Flushes.LogNow(durability);
                }
            }
        }
        finally
        {
            parts.Gate.Exit(token);
            parts.Work.Tell();
        }
    }

    private async ValueTask PublishAsync(
        AtomicContent content, List<AtomicRange> ranges, bool async, CancellationToken cancellationToken)
    {
        var batch = new Attempt();
        try
        {
            await EnsureAsync(content.End, async, cancellationToken).ConfigureAwait(false);
            while (!TryTakeRooms(batch, ranges))
            {
                if (batch.Turn is null)
                {
                    batch.Restart(writer);
                    batch.Turn = rooms.Enter(content.SectorBytes, out batch.Timer);
                }

                if (async)
                {
                    await rooms.WaitAsync(batch.Turn, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    rooms.Wait(batch.Turn);
                }
            }

            writer.Store(content, batch.Pieces);
            AtomicOutcome outcome;
            while ((outcome = writer.TryPublish(content, batch.Pieces)) != AtomicOutcome.Done)
            {
                if (outcome == AtomicOutcome.TooShort)
                {
                    await EnsureAsync(content.End, async, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    await ReadRestsAsync(batch, async, cancellationToken).ConfigureAwait(false);
                }
            }
        }
        catch (PCacheFullException e) when (diagnostics.NoteNoRoom(e))
        {
            throw;
        }
        finally
        {
            End(batch);
        }
    }

    private async ValueTask EnsureAsync(long end, bool async, CancellationToken cancellationToken)
    {
        if (async)
        {
            await parts.Length.EnsureAsync(end, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            parts.Length.Ensure(end);
        }
    }

    private bool TryTakeRooms(Attempt batch, List<AtomicRange> ranges)
    {
        for (; batch.Range < ranges.Count; batch.Range++, batch.Done = 0)
        {
            AtomicRange range = ranges[batch.Range];
            while (batch.Done < range.LengthBytes)
            {
                if (!_space.MayTake(batch.Turn, range.LengthBytes - batch.Done)
                    || !writer.TryTakeRoom(in range, batch.Done, batch.Pieces, out int taken))
                {
                    return false;
                }

                batch.Done += taken;
            }
        }

        return true;
    }

    /// <summary>Reads what the backing has of the sectors that are written in part.</summary>
    private async ValueTask ReadRestsAsync(Attempt batch, bool async, CancellationToken cancellationToken)
    {
        foreach (AtomicPiece piece in batch.Pieces)
        {
            if (!piece.IsPartial)
            {
                continue;
            }

            DropMerge(piece);
            piece.Merge = misses.TryBegin(piece.Offset, 1);
            if (piece.Merge is { } merge
                && !(async ? await misses.ReadAsync(merge, cancellationToken).ConfigureAwait(false)
                    : misses.Read(merge)))
            {
                DropMerge(piece);
            }
        }
    }

    private void DropMerge(AtomicPiece piece)
    {
        if (piece.Merge is { } merge)
        {
            piece.Merge = null;
            misses.End(merge);
        }
    }

    private void End(Attempt batch)
    {
        try
        {
            batch.Pieces.ForEach(DropMerge);
            writer.Return(batch.Pieces);
        }
        finally
        {
            if (batch.Turn is not null)
            {
                rooms.Leave(batch.Turn, batch.Timer);
            }
        }
    }

    /// <summary>How far a batch has come.</summary>
    private sealed class Attempt
    {
        public readonly List<AtomicPiece> Pieces = [];
        public int Range;
        public int Done;
        public SpaceWaiter? Turn;
        public ITimer? Timer;

        /// <summary>Gives all room back before waiting for a turn.</summary>
        public void Restart(AtomicWriter writer)
        {
            writer.Return(Pieces);
            Range = 0;
            Done = 0;
        }
    }
}
