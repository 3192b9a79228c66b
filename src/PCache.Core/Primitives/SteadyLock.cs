namespace PCache.Core.Primitives;

/// <summary>
/// A lock whose waits <see cref="Thread.Interrupt"/> doesn't end: for every place that has to be left tidy.
/// </summary>
/// <remarks>
/// Keeps true: <see cref="Enter"/> always ends with the lock held; an interrupt that comes meanwhile isn't lost, but
/// stands against the thread again once it
/// has the lock, so it comes out at the caller's own next wait. Reentrant. Held for short times only, as the lock's
/// waits can't be ended.
/// </remarks>
internal sealed partial class SteadyLock
{
    private readonly Lock _lock = new();

    /// <param name="rank">Where it stands in the order of locks.</param>
    public SteadyLock(LockRank rank = LockRank.Leaf) => SetRank(rank);

    /// <summary>Whether this thread holds it.</summary>
    public bool IsHeldByCurrentThread => _lock.IsHeldByCurrentThread;

    /// <summary>Takes it; waits if need be.</summary>
    public void Enter()
    {
        NoteEntering();
        if (!_lock.TryEnter())
        {
            Uninterrupted.Do(_lock, static one => one.Enter());
        }

        NoteEntered();
    }

    /// <summary>Takes it if it is free.</summary>
    public bool TryEnter()
    {
        if (!_lock.TryEnter())
        {
            return false;
        }

        NoteEntered();
        return true;
    }

    /// <summary>Takes it if it comes free within the time; an interrupt begins the time anew.</summary>
    public bool TryEnter(TimeSpan patience)
    {
        bool entered = false;
        Uninterrupted.Do(_lock, one => entered = one.TryEnter(patience));
        if (entered)
        {
            NoteEntered();
        }

        return entered;
    }

    /// <summary>Leaves it. The caller holds it.</summary>
    public void Exit()
    {
        NoteLeaving();
        _lock.Exit();
    }

    /// <summary>Takes it, for <c>using</c>.</summary>
    public Scope Hold()
    {
        Enter();
        return new Scope(this);
    }

    partial void SetRank(LockRank rank);

    partial void NoteEntering();

    partial void NoteEntered();

    partial void NoteLeaving();

    /// <summary>Leaves the lock when disposed.</summary>
    public readonly ref struct Scope(SteadyLock held)
    {
        public void Dispose() => held.Exit();
    }
}
