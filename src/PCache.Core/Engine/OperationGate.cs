using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Counts operations in flight, so that memory is unmapped only after the last of them, also when one of them hangs in the backing.
/// Keeps true: once <see cref="Close"/> was called no operation enters; the drained action runs exactly once, after Close and after the last exit.
/// The count is striped by processor, and an exit goes to the stripe of its entry: so no stripe is ever below the number of its operations in
/// flight, and reading every stripe as zero one after the other proves that all operations that entered before Close are gone.
/// </summary>
internal sealed class OperationGate
{
    private const int IntsPerStripe = 32; // 128 bytes
    private readonly int[] _cells = new int[(StripedCounter.StripeCount + 1) * IntsPerStripe];
    private readonly int _mask = StripedCounter.StripeCount - 1;
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action? _onDrained;
    private volatile bool _closed;

    /// <summary>Whether <see cref="Close"/> was called.</summary>
    public bool IsClosed => _closed;

    /// <summary>Enters, or throws when the device is closed. Returns what <see cref="Exit"/> wants.</summary>
    public int Enter()
    {
        int cell = ((Thread.GetCurrentProcessorId() & _mask) + 1) * IntsPerStripe;

        // A full fence: either Close sees the count, or this sees the flag.
        Interlocked.Increment(ref _cells[cell]);
        if (_closed)
        {
            Exit(cell);
            ThrowDisposed();
        }

        return cell;
    }

    /// <summary>Leaves.</summary>
    public void Exit(int token)
    {
        Interlocked.Decrement(ref _cells[token]);
        if (_closed)
        {
            TryDrain();
        }
    }

    /// <summary>Refuses new operations; <paramref name="onDrained"/> runs once after the last one has left (maybe now, maybe on its thread).</summary>
    public void Close(Action onDrained)
    {
        _onDrained = onDrained;
        _closed = true;
        Interlocked.MemoryBarrier();
        TryDrain();
    }

    /// <summary>Completes when the drained action has run.</summary>
    public Task Drained => _drained.Task;

    /// <summary>What every use after the close gets.</summary>
    public static ObjectDisposedException Disposed() => new("cache device");

    /// <summary>Throws it.</summary>
    public static void ThrowDisposed() => throw Disposed();

    private void TryDrain()
    {
        for (int i = 1; i <= _mask + 1; i++)
        {
            if (Volatile.Read(ref _cells[i * IntsPerStripe]) != 0)
            {
                return;
            }
        }

        if (Interlocked.Exchange(ref _onDrained, null) is { } action)
        {
            try
            {
                action();
            }
            finally
            {
                _drained.TrySetResult();
            }
        }
    }
}
