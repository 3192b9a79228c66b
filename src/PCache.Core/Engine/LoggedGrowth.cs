using PCache.Core.Layout;
using PCache.Core.Segments;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// How a greater length gets into the log. Keeps true: the log is told of a length before any key is added that lies
/// beyond the old end, and there is a key that brings it there; no backing is called. One change of length at a time.
/// </summary>
internal sealed class LoggedGrowth(
    ExtentStore store, ExtentWriter writer, SpaceQueue space, RoomWait rooms, WaitingWrites writes)
{
    /// <summary>
    /// Makes the device longer, without a write: puts zeros behind the old end, which are there in any case, or the
    /// last sector as it is into the log again, so that there is a key with which it can tell the length.
    /// </summary>
    public async ValueTask GrowAsync(long length, bool async, CancellationToken cancellationToken)
    {
        Check(length);
        long from = store.Length;
        long mark = (from + MediaConstants.SectorSize - 1) & -(long)MediaConstants.SectorSize;
        if (mark < length)
        {
            // No other thread can write there yet.
            await MarkAsync(mark, length, async, cancellationToken).ConfigureAwait(false);
            store.ChangeLength(length);
            return;
        }

        writer.Log.Length.Grow(length);
        store.ChangeLength(length);
        if (async)
        {
            await writes.TouchAsync(mark - MediaConstants.SectorSize, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            writes.Touch(mark - MediaConstants.SectorSize);
        }
    }

    private async ValueTask MarkAsync(long mark, long length, bool async, CancellationToken cancellationToken)
    {
        SpaceWaiter? turn = null;
        ITimer? timer = null;
        try
        {
            while (!TryMark(mark, length, turn))
            {
                if (turn is null)
                {
                    turn = rooms.Enter(MediaConstants.SectorSize, out timer);
                }
                else if (async)
                {
                    await rooms.WaitAsync(turn, cancellationToken).ConfigureAwait(false);
                }
                else
                {
                    rooms.Wait(turn);
                }
            }
        }
        finally
        {
            if (turn is not null)
            {
                rooms.Leave(turn, timer);
            }
        }
    }

    private bool TryMark(long mark, long length, SpaceWaiter? turn)
    {
        if (!space.MayTake(turn, MediaConstants.SectorSize)
            || !writer.TryTakeRoom(MediaConstants.SectorSize, zeros: true, out PayloadRoom room))
        {
            return false;
        }

        writer.Log.Length.Grow(length); // before its key
        writer.PublishZerosBeyond(mark, in room);
        return true;
    }

    /// <summary>Before a growth whose write has keys itself.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The log can't tell such a length.</exception>
    public void Note(long length)
    {
        Check(length);
        writer.Log.Length.Grow(length);
    }

    private static void Check(long length)
    {
        if (length > KsetHeader.MaxDeviceLength)
        {
            throw new ArgumentOutOfRangeException(nameof(length), length,
                $"A cache can make a device no longer than {KsetHeader.MaxDeviceLength} bytes.");
        }
    }
}
