#if CHECKED
namespace PCache.Core.Primitives;

/// <content>The rank of a latch, in the checked build.</content>
internal sealed partial class Latch
{
    private LockRank _rank;
    private int _number;

    partial void SetRank(LockRank rank, int number) => (_rank, _number) = (rank, number);

    partial void NoteEntering() => LockOrder.Entering(this, _rank, _number);

    partial void NoteEntered()
    {
        Invariant.Holds((_version & 1) != 0, "a latch that is held has an odd version");
        LockOrder.Entered(this, _rank, _number);
    }

    partial void NoteLeaving()
    {
        Invariant.Holds((_version & 1) != 0, "a latch that is left was held");
        LockOrder.Leaving(this);
    }
}

/// <content>The rank of a lock, in the checked build.</content>
internal sealed partial class SteadyLock
{
    private LockRank _rank;

    partial void SetRank(LockRank rank) => _rank = rank;

    partial void NoteEntering() => LockOrder.Entering(this, _rank);

    partial void NoteEntered() => LockOrder.Entered(this, _rank);

    partial void NoteLeaving() => LockOrder.Leaving(this);
}

/// <content>The rank of a gate, in the checked build: looked at where it is waited for. Who holds it isn't known by
/// thread.</content>
internal sealed partial class AsyncGate
{
    private LockRank _rank;

    partial void SetRank(LockRank rank) => _rank = rank;

    partial void NoteEntering() => LockOrder.Entering(this, _rank);
}
#endif
