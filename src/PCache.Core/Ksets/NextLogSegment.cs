using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Ksets;

/// <summary>
/// The segment that the log goes on in next, the first of the reserve, and how much of it is zeroed.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>Its generation is raised, then each of its bytes zeroed, all durably, before <see cref="Finish"/>
/// returns.</item>
/// <item>A piece is zeroed only while the segment is the reserve's first, and taking it from there shuts out every
/// thread that zeroes: nothing is zeroed that has become part of the log. The thread that takes it goes on where the
/// preparation has come to, and waits for one piece of it at most.</item>
/// <item>Each piece is drained by the thread that stored it. A failed piece is zeroed again.</item>
/// </list>
/// <see cref="Finish"/> and <see cref="Take"/> are the writer's, under its own lock.
/// </remarks>
internal sealed class NextLogSegment(PmemRegion region, SegmentTable segments)
{
    /// <summary>Bytes zeroed under one hold of the lock: some tens of microseconds.</summary>
    internal const int CheapPieceBytes = 256 << 10;

    /// <summary>The same where each drain is a system call that waits for a disk.</summary>
    private const int DearPieceBytes = 1 << 20;

    private readonly SteadyLock _lock = new(LockRank.NextSegment);
    private readonly int _pieceBytes = region.DrainIsCheap ? CheapPieceBytes : DearPieceBytes;
    private int _segment = -1;
    private int _zeroedBytes;
    private volatile int _ready = -1;

    /// <summary>Whether <paramref name="segment"/> is zeroed as a whole.</summary>
    public bool IsReady(int segment) => _ready == segment;

    /// <summary>
    /// Zeroes one piece of the segment that <paramref name="first"/> names, the reserve's first. Returns true once
    /// there is nothing more to zero.
    /// </summary>
    public bool Advance(Func<int> first)
    {
        using (_lock.Hold())
        {
            // Asked for under the lock: it leaves the reserve only under it.
            int segment = first();
            if (segment < 0)
            {
                return true;
            }

            ZeroPiece(segment);
            return _ready == segment;
        }
    }

    /// <summary>Zeroes whatever is left to zero.</summary>
    public void Finish(int segment)
    {
        using (_lock.Hold())
        {
            while (_ready != segment)
            {
                ZeroPiece(segment);
            }
        }
    }

    /// <summary>
    /// Takes the segment out of the reserve, for the log. Returns how many segments the reserve gained.
    /// </summary>
    public int Take()
    {
        using (_lock.Hold())
        {
            int taken = segments.TakeForLog(out int refilled);
            Invariant.Holds(taken == _ready, "what becomes log is zeroed as a whole");
            _segment = -1;
            _ready = -1;
            return refilled;
        }
    }

    private void ZeroPiece(int segment)
    {
        if (_ready == segment)
        {
            return;
        }

        if (_segment != segment)
        {
            // before the link: falling back to an older key tail must not meet live keys in a log segment
            segments.RaiseIfNeeded(segment);
            _segment = segment;
            _zeroedBytes = 0;
        }

        Invariant.Holds(_zeroedBytes >= 0 && _zeroedBytes < segments.DataSize, "there is something left to zero");
        int length = Math.Min(_pieceBytes, segments.DataSize - _zeroedBytes);
        RegionZeroing.Zero(region, segments.DataOffset(segment) + _zeroedBytes, length);

        _zeroedBytes += length;
        if (_zeroedBytes == segments.DataSize)
        {
            _ready = segment;
        }
    }
}
