using PCache.Core.Primitives;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// One change of length at a time. Keeps true: no thread waits for the very call that it is in: not on its own
/// change, nor inside a maintenance step that a truncation may be waiting for; what would is refused before anything
/// has changed. Any thread.
/// </summary>
internal sealed class LengthGate(Maintenance maintenance)
{
    private readonly AsyncGate _gate = new(LockRank.Length);
    private int _owner;

    private bool MayWait =>
        !maintenance.IsInsideStep && Volatile.Read(ref _owner) != Environment.CurrentManagedThreadId;

    /// <summary>Enters; the thread that entered without <paramref name="async"/> owns the gate.</summary>
    /// <exception cref="InvalidOperationException">It would wait for itself.</exception>
    public async ValueTask EnterAsync(bool async, CancellationToken cancellationToken)
    {
        if (async)
        {
            await _gate.EnterAsync(cancellationToken).ConfigureAwait(false);
            return;
        }

        if (MayWait)
        {
            _gate.Enter();
        }
        else if (!_gate.TryEnter())
        {
            throw new InvalidOperationException("The length is being changed, and this call came from inside a call of "
                + "the backing that the change may have to wait for.");
        }

        Volatile.Write(ref _owner, Environment.CurrentManagedThreadId);
    }

    /// <summary>Leaves.</summary>
    public void Exit()
    {
        Volatile.Write(ref _owner, 0);
        _gate.Exit();
    }

    /// <summary>
    /// Waits until the change in progress has ended. Inside a call of the backing that may be the change's own, so
    /// not there.
    /// </summary>
    public void Wait()
    {
        if (MayWait)
        {
            _gate.Enter();
            _gate.Exit();
        }
    }

    /// <inheritdoc cref="Wait"/>
    public async ValueTask WaitAsync(CancellationToken cancellationToken)
    {
        if (!maintenance.IsInsideStep)
        {
            await _gate.EnterAsync(cancellationToken).ConfigureAwait(false);
            _gate.Exit();
        }
    }
}
