using PCache.Core;
using PCache.Core.Primitives;

namespace PCache.Lab.Torture;

/// <summary>The steps of a workload. Keeps true: after a crash in the middle of a step nothing of its end counts, and the run goes on from what the crash left.</summary>
internal sealed partial class World
{
    private readonly List<Later> _within = [];
    private WorldAction? _outer;
    private bool _nested;
    private int _nestedCount;
    private int _cutAt;
    private bool _cutIsKill;
    private bool _faulted;
    private (SimulatedPmem Region, SimulatedDisk Disk)? _left;
    private bool _paused;
    private bool _closed;
    private bool _unsettled;
    private bool _quiet;
    private int _drainFailsAt;
    private bool _overtaken; // a write in progress, by one over the same sectors

    private void Do(WorldAction action)
    {
        _outer = action;
        try
        {
            Perform(action);
        }
        catch (Exception e) when (_left is not null && e is not TortureViolation)
        {
            // Whatever the dead machine still did.
        }
        catch (Exception e) when (IsExpected(e))
        {
            if (_left is null)
            {
                Heal();
                _faulted = _paused = false;
                Oracle.InProgress = default;
                Oracle.Abandon(0);
                if (_closed)
                {
                    Open();
                }

                ApplyPause();
                if (action.Kind == ActionKind.SetLength)
                {
                    Perform(action); // what a failed truncation leaves isn't promised: it is repeated
                }

                IfAlive(() => Quietly(Oracle.Settle));
            }
        }
        finally
        {
            _outer = null;
            if (_left is null)
            {
                Oracle.Abandon(0);
            }
        }

        if (_unsettled && _left is null)
        {
            Heal();
            Quietly(Oracle.Settle);
        }

        _unsettled = false;
        if (_left is not null)
        {
            GoOn();
        }
    }

    /// <summary>Planned faults may be reported, and a paused write-back may leave no room.</summary>
    private bool IsExpected(Exception e) => (_faulted && e is IOException or PCacheException) || (_paused && e is PCacheFullException);

    private void Perform(WorldAction action)
    {
        long offset = action.Offset;
        int length = action.Length;
        switch (action.Kind)
        {
            case ActionKind.Write:
            case ActionKind.Force:
                Write(action);
                break;
            case ActionKind.Zeroes:
                length = Clip(offset, length);
                Entering(offset, length, () => Oracle.Write(offset, new byte[length]));
                Device.WriteZeroes(offset, length);
                Entered();
                Persisted(offset, length);
                break;
            case ActionKind.Discard:
                offset -= offset % 512;
                length = Clip(offset, (length + 511) / 512 * 512) / 512 * 512;
                Entering(offset, length, () => Oracle.Discard(offset, length));
                Device.Discard(offset, length);
                Entered();
                break;
            case ActionKind.Flush:
                Device.Flush();
                IfAlive(Oracle.Flushed);
                break;
            case ActionKind.Read:
                Read();
                break;
            case ActionKind.Maintain:
                Maintain(length);
                break;
            case ActionKind.Wait:
                _clock.Advance(TimeSpan.FromMilliseconds(length));
                break;
            case ActionKind.Drain:
                int nestedBefore = _nestedCount;
                Device.Drain();
                IfAlive(() => CheckDrained(nestedBefore));
                break;
            case ActionKind.Reopen:
                Reopen(drain: length == 1);
                break;
            case ActionKind.SetLength:
                SetLength(offset);
                break;
            case ActionKind.Pause:
                _paused = !_paused;
                ApplyPause();
                break;
            case ActionKind.PowerCut:
            case ActionKind.Kill:
                _cutAt = Math.Max(1, length);
                _cutIsKill = action.Kind == ActionKind.Kill;
                break;
            case ActionKind.FillLog:
                FillLog(length, action.Offset > 0);
                break;
            case ActionKind.FillKeys:
                FillKeys();
                break;
            case ActionKind.DrainFault:
                _faulted = true;
                _drainFailsAt = Math.Max(1, length);
                break;
            case ActionKind.GiveAway:
                GiveAway();
                break;
            case ActionKind.Churn:
                Churn(length);
                break;
            case ActionKind.Fault:
                _faulted = true;
                (ActionNumber % 2 == 0 ? Disk.Companion ?? Disk : Disk).Plan(new DiskFault { Skip = length, Kind = (DiskFaultKind)(offset % 3), Times = offset / 3 % 4 == 3 ? 1000 : 1 + (int)(offset / 3 % 4) });
                break;
            default:
                throw new InvalidOperationException($"No such action: {action.Kind}.");
        }
    }

    private void Write(WorldAction action)
    {
        int length = Clip(action.Offset, action.Length);
        if (length == 0)
        {
            return;
        }

        byte[] bytes = SectorStamps.Make(action.Offset, length, ++_writeId);
        bool force = action.Kind == ActionKind.Force;
        Entering(action.Offset, length, () => Oracle.Write(action.Offset, bytes));
        bool overtakes = _nested && Overlaps(action);
        Device.Write(action.Offset, bytes, force ? WriteDurability.ForceUnitAccess : WriteDurability.Normal);
        if (overtakes)
        {
            _overtaken = true;
        }
        else if (_overtaken && !_nested)
        {
            _overtaken = false;
            IfAlive(() => Quietly(device => Oracle.Overtaken(device, action.Offset, bytes)));
        }

        Entered();
        if (force)
        {
            IfAlive(() => Oracle.Forced(action.Offset, length));
        }

        Persisted(action.Offset, length);
    }

    /// <summary>A write has returned. Not of one in whose middle another one came over the same sectors, nor of that one.</summary>
    private void Persisted(long offset, int length)
    {
        if (_settings is { PersistWrites: true, NestsOverlaps: false } && length > 0)
        {
            IfAlive(() => Oracle.Persisted(offset, length));
        }
    }

    private void Entering(long offset, int length, Action enter)
    {
        if (!_nested)
        {
            Oracle.InProgress = (offset, length);
        }

        enter();
    }

    private void Entered()
    {
        if (_left is null && !_unsettled)
        {
            Oracle.Returned();
        }

        if (!_nested)
        {
            Oracle.InProgress = default;
        }
    }

    private void Read()
    {
        if (_nested)
        {
            Quietly(device => Oracle.CheckLegal(device));
            return;
        }

        if (_within.Count == 0)
        {
            Quietly(Oracle.CheckCurrent);
            return;
        }

        // Something may be written, or flushed, in the middle of it: then what is read may be from before or after. A later read has to see it.
        var buffer = new byte[24 << 10];
        for (int i = 0; i < Universe.Areas; i++)
        {
            (long first, int count, _) = Universe.Area(i);
            _ = Device.Read(first * 512, buffer.AsSpan(0, count * 512));
        }

        IfAlive(() => Quietly(Oracle.CheckCurrent));
    }

    private void Maintain(int steps)
    {
        for (int i = 0; i < steps && _left is null; i++)
        {
            TimeSpan wait = Device.RunMaintenanceStep();
            if (wait == Timeout.InfiniteTimeSpan)
            {
                break;
            }

            _clock.Advance(wait);
        }
    }

    private void CheckDrained(int nestedBefore)
    {
        if (_nestedCount == nestedBefore)
        {
            if (!Device.GetStatus().IsClean)
            {
                throw new TortureViolation("The device isn't clean after a drain.");
            }

            Oracle.CheckDrained(Disk.AfterPowerCut(null));
        }
    }

    private void SetLength(long length)
    {
        if (!_settings.CanResize || _nested)
        {
            return;
        }

        bool shrinks = length < Oracle.Length;
        Oracle.SetLength(length);
        Device.SetLength(length);
        if (shrinks)
        {
            IfAlive(() => Oracle.TruncationReturned(Disk.AfterPowerCut(null)));
        }
    }

    private void Reopen(bool drain)
    {
        if (drain)
        {
            Device.Drain();
        }

        bool fingerprint = _settings.FingerprintBlocks > 0 && !_faulted && Device.GetStatus().WritebackError is null;
        _closed = true;
        Device.Dispose();
        if (_left is not null)
        {
            return;
        }

        Oracle.Flushed();
        Open();
        if (_left is null && Device.Recovery.BackingCheck != (fingerprint ? BackingCheck.Matched : Device.Recovery.BackingCheck))
        {
            throw new TortureViolation($"After an orderly close the backing is known: {Device.Recovery.BackingCheck}.");
        }

        Oracle.AdoptLength(Device.Length);
        Quietly(Oracle.CheckCurrent);
    }

    private void Open()
    {
        IsFormatted = true;
        IsOpening = true;
        Device = PCacheDevice.Open(
            Region, Disk, MachineClock.On(WorldSettings.InFrontOf(Disk, Options) with { TimeProvider = _clock }, Machine.Of(Options.TimeProvider)));
        IsOpening = false;
        _closed = false;
        ApplyPause();
    }

    private void ApplyPause()
    {
        if (_paused)
        {
            Device.PauseWriteback();
        }
        else
        {
            Device.ResumeWriteback();
        }
    }

    /// <summary>Checks without anything in between: what comes in the middle of a read makes what was read before it old.</summary>
    private void Quietly(Action<IBlockDevice> check)
    {
        bool before = _quiet;
        _quiet = true;
        try
        {
            check(Device);
        }
        finally
        {
            _quiet = before;
        }
    }

    /// <summary>What a step's success means; not after a crash in the middle of it, nor where something within it has failed and isn't settled.</summary>
    private void IfAlive(Action action)
    {
        if (_left is null && !_unsettled)
        {
            action();
        }
    }

    private int Clip(long offset, int length) => _settings.CanResize ? length : (int)Math.Clamp(_settings.Length - offset, 0, length);

    private sealed class Later(int calls, WorldAction action)
    {
        public int Calls { get; set; } = Math.Max(1, calls);

        public WorldAction Action { get; } = action;
    }
}
