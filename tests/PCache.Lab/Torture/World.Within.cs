using PCache.Core;

namespace PCache.Lab.Torture;

/// <summary>Operations in the middle of others, at calls of the backing. Keeps true: none where an oracle reads, nor in a machine that is dead, nor within another one that came in between.</summary>
internal sealed partial class World
{
    /// <summary>Does what was put off until the n-th backing call, in the middle of whatever makes that call.</summary>
    private void RunWithin()
    {
        if (_nested || _quiet || _unsettled || _left is not null)
        {
            return;
        }

        for (int i = 0; i < _within.Count; i++)
        {
            if (--_within[i].Calls > 0)
            {
                continue;
            }

            WorldAction action = _within[i].Action;
            _within.RemoveAt(i--);
            if (MayNest(action))
            {
                int running = Oracle.Running;
                _nested = true;
                _nestedCount++;
                try
                {
                    Perform(action);
                }
                catch (Exception e) when (IsExpected(e))
                {
                    _unsettled = true; // the step around it isn't the one that failed
                }
                finally
                {
                    _nested = false;
                    Oracle.Abandon(running);
                }
            }
        }
    }

    /// <summary>Not what waits for maintenance, nor a write over the range of a write in progress, as which of them wins isn't defined; unless the settings ask for that.</summary>
    private bool MayNest(WorldAction action)
    {
        if (_outer is { Kind: ActionKind.Reopen } || action.Kind is not (ActionKind.Write or ActionKind.Force or ActionKind.Zeroes or ActionKind.Discard or ActionKind.Flush or ActionKind.Read or ActionKind.Wait))
        {
            return false;
        }

        if (_outer is { Kind: ActionKind.SetLength } && (action.IsWrite || action.Kind == ActionKind.Flush))
        {
            return false; // what a truncation in progress leaves of them isn't defined
        }

        bool overlaps = Overlaps(action) && !(_settings.NestsOverlaps && !_overtaken && _outer is { Kind: ActionKind.Write } && action.Kind == ActionKind.Write && (action.Offset | (long)action.Length) % 512 == 0);
        PCacheStatus status = Device.GetStatus();
        return !overlaps && action.Offset + action.Length <= Device.Length && status.SegmentCount - status.SegmentsUsed > _settings.LogReserveSegments + 1;
    }

    private bool Overlaps(WorldAction action)
    {
        (long offset, long lengthBytes) = Oracle.InProgress;
        return action.IsWrite && action.Offset / 512 < (offset + lengthBytes + 511) / 512 && (action.Offset + action.Length + 511) / 512 > offset / 512;
    }
}
