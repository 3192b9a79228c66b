using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// The way of a call through the disk: counted, maybe struck by a fault or hung, then done. Keeps true: what a call
/// does it does under the disk's lock; what hooks and faults do comes outside of it.
/// </summary>
public sealed partial class SimulatedDisk
{
    private DiskFault? Enter(DiskCall call)
    {
        DiskFault? fault = Begin(call, out TaskCompletionSource? hang);
        if (hang is not null)
        {
            _hanging.WaitAsync(hang, CancellationToken.None).GetAwaiter().GetResult();
        }
        else if (fault?.Kind == DiskFaultKind.Delay && !MovesClock(fault.Delay))
        {
            Thread.Sleep(fault.Delay);
        }

        return Entered(call, fault);
    }

    private async ValueTask<DiskFault?> EnterAsync(DiskCall call, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        DiskFault? fault = Begin(call, out TaskCompletionSource? hang);
        if (hang is not null)
        {
            await _hanging.WaitAsync(
                hang, fault!.IgnoresCancellation ? CancellationToken.None : cancellationToken).ConfigureAwait(false);
        }
        else if (fault?.Kind == DiskFaultKind.Delay && !MovesClock(fault.Delay))
        {
            await Task.Delay(fault.Delay, cancellationToken).ConfigureAwait(false);
        }

        return Entered(call, fault);
    }

    private bool MovesClock(TimeSpan by)
    {
        Options.Clock?.Advance(by);
        return Options.Clock is not null;
    }

    private DiskFault? Begin(DiskCall call, out TaskCompletionSource? hang)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        LockOrder.HoldsNone(LockRank.Append, "a backing is called");
        _ = Interlocked.Increment(ref _calls[(int)call.Operation]);
        return _faults.Strike(call, out hang);
    }

    private DiskFault? Entered(DiskCall call, DiskFault? fault)
    {
        if (fault?.Kind == DiskFaultKind.Error
            || (fault?.Kind == DiskFaultKind.HalfThenError && call.Operation != DiskOperation.Write))
        {
            throw MakeException(fault, call);
        }

        Tell(BeforeCall, call);
        return fault;
    }

    /// <summary>
    /// What runs there may use other devices, and the one whose backing this is as another thread would.
    /// </summary>
    private static void Tell(Action<DiskCall>? told, DiskCall call)
    {
        if (told is not null)
        {
            using LockOrder.Apart aside = LockOrder.Aside();
            told(call);
        }
    }

    private void Leave(DiskCall call, DiskFault? fault)
    {
        if (Left(call, fault) is { } hang)
        {
            _hanging.WaitAsync(hang, CancellationToken.None).GetAwaiter().GetResult();
        }
    }

    private ValueTask LeaveAsync(DiskCall call, DiskFault? fault, CancellationToken cancellationToken) =>
        Left(call, fault) is { } hang
            ? new ValueTask(
                _hanging.WaitAsync(hang, fault!.IgnoresCancellation ? CancellationToken.None : cancellationToken))
            : ValueTask.CompletedTask;

    private TaskCompletionSource? Left(DiskCall call, DiskFault? fault)
    {
        if (fault?.Kind is DiskFaultKind.ErrorAfterEffect or DiskFaultKind.HalfThenError)
        {
            throw MakeException(fault, call);
        }

        Tell(AfterCall, call);
        return fault?.Kind == DiskFaultKind.HangAfterEffect ? _faults.HangNow(fault) : null;
    }
}
