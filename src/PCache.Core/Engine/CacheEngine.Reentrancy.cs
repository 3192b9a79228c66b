namespace PCache.Core.Engine;

/// <summary>
/// Calls from inside a call of the backing (or of a progress callback). Keeps true: no maintenance step runs inside a step, and no thread waits for the very
/// call that it is in: what would is refused before anything has changed. Reads, writes that find room, and flushes need no such care: no lock is held
/// while the backing is called, but the length gate.
/// </summary>
internal sealed partial class CacheEngine
{
    private int _lengthOwner;

    /// <summary>Refuses what would have to wait for a maintenance step, on the thread of a step that can't end before this call has returned.</summary>
    /// <param name="blocking">Whether the caller would block; else it waits on this thread only where steps run inline.</param>
    /// <exception cref="InvalidOperationException">A step runs on this thread.</exception>
    private void ThrowIfInsideStep(bool blocking)
    {
        if ((blocking || _maintenance.IsManual) && _maintenance.IsInsideStep)
        {
            throw new InvalidOperationException("A maintenance step is running on this thread, and this call has to wait for another one: a backing that calls back into the device may read, write and flush only.");
        }
    }

    /// <summary>As <see cref="ThrowIfInsideStep"/>, for a write that needs room.</summary>
    /// <exception cref="PCacheFullException">A step runs on this thread.</exception>
    private void ThrowIfRoomCannotCome(bool blocking)
    {
        if ((blocking || _maintenance.IsManual) && _maintenance.IsInsideStep)
        {
            throw new PCacheFullException("There is no room, and the maintenance step that would make some is running on this thread: the write came from inside a call of the backing.");
        }
    }

    /// <summary>Waits for the change of length in progress; but not on its own thread, nor inside a maintenance step that a truncation may be waiting for.</summary>
    /// <exception cref="InvalidOperationException">It would wait for itself.</exception>
    private void EnterLengthGate()
    {
        bool mayWait = !_maintenance.IsInsideStep && Volatile.Read(ref _lengthOwner) != Environment.CurrentManagedThreadId;
        if (mayWait)
        {
            _lengthGate.Enter();
        }
        else if (!_lengthGate.TryEnter())
        {
            throw new InvalidOperationException("The length is being changed, and this call came from inside a call of the backing that the change may have to wait for.");
        }

        Volatile.Write(ref _lengthOwner, Environment.CurrentManagedThreadId);
    }

    /// <summary>A truncation has cut off the rest of a write: waits until it has ended. Inside a call of the backing that may be the truncation's own, so not there.</summary>
    private void WaitForTruncation()
    {
        if (!_maintenance.IsInsideStep && Volatile.Read(ref _lengthOwner) != Environment.CurrentManagedThreadId)
        {
            _lengthGate.Enter();
            _lengthGate.Exit();
        }
    }

    /// <inheritdoc cref="WaitForTruncation"/>
    private async ValueTask WaitForTruncationAsync(CancellationToken cancellationToken)
    {
        if (!_maintenance.IsInsideStep)
        {
            await _lengthGate.EnterAsync(cancellationToken).ConfigureAwait(false);
            _lengthGate.Exit();
        }
    }

    private void ExitLengthGate()
    {
        Volatile.Write(ref _lengthOwner, 0);
        _lengthGate.Exit();
    }
}
