using System.Runtime.CompilerServices;

namespace PCache.Core.Primitives;

/// <summary>
/// A lock for short holds that also tells readers who don't take it whether anything has changed.
/// </summary>
/// <remarks>
/// <para>Keeps true: one holder at a time; the version is even while it is free, and differs after every hold; no
/// thread sleeps while it is free; no interrupt ends a sleep (it stands against the thread again afterwards). Not
/// reentrant. Entering costs one interlocked instruction, leaving none.</para>
/// <para>Leaving is a plain store, and then a look whether a thread sleeps. A processor may look before its store is
/// visible, so that alone could miss a thread that announced itself, saw the latch held, and went to sleep. But a
/// thread that goes to sleep first announces itself, then makes every processor that runs this process execute a full
/// barrier (<see cref="Interlocked.MemoryBarrierProcessWide"/>), and looks once more: a leaver whose store comes
/// before its barrier has made it visible to that look; one whose store comes after it looks after it too, and sees
/// the announcement. The price is paid by the sleeper, who has waited longer than a barrier takes.</para>
/// <para>A woken sleeper competes with newcomers; the thread that gets the latch wakes the next one when it
/// leaves.</para>
/// </remarks>
internal sealed partial class Latch : CacheLinePadded
{
    // Spinning longer than this gains nothing when the holder isn't running, and makes outliers.
    private const int DefaultPauses = 40;
    private readonly int _pauses;
    private long _version;
    private int _sleepers;
    private AutoResetEvent? _wake;

    /// <param name="rank">Where it stands in the order of locks.</param>
    /// <param name="number">Among those of its rank: several may be held, taken in the order of their numbers.</param>
    /// <param name="pauses">How often to look before going to sleep: tests sleep at once.</param>
    public Latch(LockRank rank = LockRank.Leaf, int number = 0, int pauses = DefaultPauses)
    {
        _pauses = pauses;
        SetRank(rank, number);
    }

    /// <summary>
    /// Grows by one with each entering and each leaving; odd while the latch is held. What was read is what stood
    /// there at one moment if the version was even before, and is the same after it.
    /// </summary>
    public long Version
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => Volatile.Read(ref _version);
    }

    /// <summary>
    /// Whether no thread has held it since <see cref="Version"/> was <paramref name="version"/>, an even one: all
    /// that was read in between is of one moment then.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool IsUnchangedSince(long version)
    {
        Volatile.ReadBarrier(); // what was read before this call was read before the version is
        return Volatile.Read(ref _version) == version;
    }

    /// <summary>Takes it; waits if need be.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Enter()
    {
        NoteEntering();
        if (!TryTake())
        {
            EnterSlowly();
        }

        NoteEntered();
    }

    /// <summary>Takes it if it is free.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryEnter()
    {
        if (!TryTake())
        {
            return false;
        }

        NoteEntered();
        return true;
    }

    /// <summary>
    /// Takes it if it is free and no thread has held it since <see cref="Version"/> was <paramref name="version"/>,
    /// an even one: what was found then still holds.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool TryEnterUnchanged(long version)
    {
        if (Interlocked.CompareExchange(ref _version, version + 1, version) != version)
        {
            return false;
        }

        NoteEntered();
        return true;
    }

    /// <summary>Leaves it. The caller holds it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Exit()
    {
        NoteLeaving();
        Volatile.Write(ref _version, _version + 1);
        if (Volatile.Read(ref _sleepers) != 0)
        {
            WakeOne();
        }
    }

    /// <summary>Takes it, for <c>using</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Scope Hold()
    {
        Enter();
        return new Scope(this);
    }

    partial void SetRank(LockRank rank, int number);

    partial void NoteEntering();

    partial void NoteEntered();

    partial void NoteLeaving();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryTake()
    {
        long version = _version;
        return (version & 1) == 0 && Interlocked.CompareExchange(ref _version, version + 1, version) == version;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void EnterSlowly()
    {
        for (int i = 0; i < _pauses; i++)
        {
            Thread.SpinWait(1);
            if (TryTake())
            {
                return;
            }
        }

        if (_wake is null)
        {
            Interlocked.CompareExchange(ref _wake, new AutoResetEvent(false), null);
        }

        Interlocked.Increment(ref _sleepers);
        Interlocked.MemoryBarrierProcessWide();
        while (!TryTake())
        {
            Uninterrupted.WaitOne(_wake);
        }

        Interlocked.Decrement(ref _sleepers);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WakeOne() => _wake!.Set();

    /// <summary>Leaves the latch when disposed.</summary>
    public readonly ref struct Scope(Latch latch)
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose() => latch.Exit();
    }
}
