
namespace PCache.Core.Primitives;

/// <summary>
/// Counts operations in flight, so that memory is unmapped only after the last of them, also when one of them hangs
/// in the backing.
/// </summary>
/// <remarks>
/// <para>Keeps true: once <see cref="Close"/> was called no operation enters; the drained action runs exactly once,
/// after Close and after the last exit.</para>
/// <para>Each thread counts in a cell of its own by plain instructions; an operation that goes on elsewhere than on
/// the thread that entered is counted in the shared cell (<see cref="Share"/>), as are the threads that have no cell.
/// That an entering thread stores its count and then reads the flag, while Close stores the flag and then reads the
/// counts, would need a full fence on both sides. Close supplies both of them: between its store and its reads it
/// makes every processor that runs this process execute a barrier. An entry (or exit) whose store comes before that
/// barrier is visible to Close's reads; one whose store comes after it reads the flag after it too, and sees it. So
/// no operation is overlooked, and the one that exits last finds the flag and checks for itself.</para>
/// <para>The shared cell is read last: an operation that moves there is counted there before it leaves its own cell.
/// So reading every cell as zero, one after the other, proves that all operations that entered before Close are
/// gone.</para>
/// </remarks>
internal sealed class OperationGate
{
    private const int IntsPerCell = 32; // 128 bytes
    private readonly int[] _cells = new int[(ThreadIndex.Shared + 2) * IntsPerCell];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Action? _onDrained;
    private volatile bool _closed;

    /// <summary>Whether <see cref="Close"/> was called.</summary>
    public bool IsClosed => _closed;

    private static int SharedToken => ThreadIndex.Shared * IntsPerCell;

    /// <summary>
    /// Enters, or throws when the device is closed. Returns what <see cref="Exit"/> wants, on this same thread.
    /// </summary>
    public int Enter()
    {
        int token = ThreadIndex.Current * IntsPerCell;
        Add(token, 1);
        if (_closed)
        {
            Exit(token);
            ThrowDisposed();
        }

        return token;
    }

    /// <summary>Enters, unless the device is closed.</summary>
    public bool TryEnter(out int token)
    {
        token = ThreadIndex.Current * IntsPerCell;
        Add(token, 1);
        if (!_closed)
        {
            return true;
        }

        Exit(token);
        return false;
    }

    /// <summary>The cell that an operation counts in, as <see cref="ThreadIndex"/> numbers them.</summary>
    public static int IndexOf(int token) => token / IntsPerCell;

    /// <summary>Enters as <see cref="Enter"/> does; the exit may be on any thread.</summary>
    public int EnterShared() => Share(Enter());

    /// <summary>
    /// The operation goes on, maybe on another thread: exchanges its token, on the thread that entered, for one that
    /// any thread may exit with.
    /// </summary>
    public int Share(int token)
    {
        Interlocked.Increment(ref _cells[SharedToken]);
        Exit(token);
        return SharedToken;
    }

    /// <summary>Leaves.</summary>
    public void Exit(int token)
    {
        Add(token, -1);
        if (_closed)
        {
            TryDrain();
        }
    }

    /// <summary>
    /// Refuses new operations; <paramref name="onDrained"/> runs once after the last one has left (maybe now, maybe
    /// on its thread).
    /// </summary>
    public void Close(Action onDrained)
    {
        _onDrained = onDrained;
        _closed = true;
        Interlocked.MemoryBarrierProcessWide();
        TryDrain();
    }

    /// <summary>Completes when the drained action has run.</summary>
    public Task Drained => _drained.Task;

    /// <summary>What every use after the close gets.</summary>
    public static ObjectDisposedException Disposed() => new("cache device");

    /// <summary>Throws it.</summary>
    public static void ThrowDisposed() => throw Disposed();

    private void Add(int token, int count)
    {
        ref int cell = ref _cells[token];
        if (token != SharedToken)
        {
            Volatile.Write(ref cell, cell + count); // this thread's own cell: no other thread stores there
        }
        else
        {
            Interlocked.Add(ref cell, count);
        }
    }

    private void TryDrain()
    {
        for (int i = 1; i <= ThreadIndex.Shared; i++)
        {
            if (Volatile.Read(ref _cells[i * IntsPerCell]) != 0)
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
