using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Segments;

namespace PCache.Core.Ksets;

/// <summary>
/// Room in the log. Keeps true: room is reserved before a key enters the index, for the worst case of one kset for
/// each key, so a pending key can always be logged, without waiting; what is reserved and what is free is never more
/// than what the log has: its head's segment and its reserve. Any thread, no lock.
/// </summary>
internal sealed class LogRoom : IKeyRoom
{
    /// <summary>Bytes of log that each pending key may need.</summary>
    public const int WorstCaseKeyBytes = MediaConstants.KsetHeaderSize + MediaConstants.KeySize;

    /// <summary>
    /// Bytes of each segment that no kset may be able to use: room for the last kset, and less than one smallest
    /// kset.
    /// </summary>
    private const int SegmentWaste = MediaConstants.KsetHeaderSize + WorstCaseKeyBytes;

    /// <summary>
    /// Bytes of log that only keys logged anew may have: else a full log with damage at its dirty tail could never
    /// move on.
    /// </summary>
    public const int AnewBytes = MediaConstants.MaxKeysPerKset * WorstCaseKeyBytes;

    private readonly int _segmentBytes;
    private Func<bool> _giveBack = static () => false;
    private long _availableBytes;

    /// <param name="dataSize">Bytes of a segment's data area.</param>
    /// <param name="headOffset">Where in its segment the log goes on.</param>
    /// <param name="reservedSegments">Segments of the log's reserve.</param>
    public LogRoom(int dataSize, int headOffset, int reservedSegments)
    {
        _segmentBytes = dataSize - SegmentWaste;
        _availableBytes = HeadRoom(headOffset) + (reservedSegments * (long)_segmentBytes);
    }

    /// <summary>Bytes of log that aren't reserved.</summary>
    public long AvailableBytes => Volatile.Read(ref _availableBytes);

    /// <summary>Bytes of a log segment that keys can have.</summary>
    public int SegmentBytes => _segmentBytes;

    /// <inheritdoc/>
    public void AddHolder(Func<bool> giveBack) => _giveBack = giveBack;

    /// <summary>
    /// Reserves room for <paramref name="keys"/> keys; false: there is none now. <paramref name="anew"/>: keys that
    /// stand in the log already may have the last of it. Not under a lock that a holder takes to give back.
    /// </summary>
    public bool TryReserve(int keys, bool anew = false)
    {
        if (TryReserveAtOnce(keys, anew))
        {
            return true;
        }

        // Whether or not it was this call that brought something back: another thread's may have done so just before.
        _giveBack();
        return TryReserveAtOnce(keys, anew);
    }

    /// <inheritdoc/>
    public bool TryReserveAhead(int keys)
    {
        // Far from the end only: ahead of time no writer takes what another may be waiting for.
        return Volatile.Read(ref _availableBytes) > 8L * keys * WorstCaseKeyBytes
            && TryReserveAtOnce(keys, anew: false);
    }

    /// <inheritdoc/>
    bool IKeyRoom.TryReserve() => TryReserveAtOnce(1, anew: false);

    /// <summary>Gives back what was reserved for keys that weren't added.</summary>
    public void Unreserve(int keys) => Interlocked.Add(ref _availableBytes, (long)keys * WorstCaseKeyBytes);

    /// <summary>The log's reserve gained segments.</summary>
    public void ReserveGrew(int segments) => Interlocked.Add(ref _availableBytes, segments * (long)_segmentBytes);

    /// <summary>
    /// A kset stands in the log. Reserved: the worst case of each key; used: the kset. The rest is free again.
    /// </summary>
    public void Used(int keys, int ksetBytes) =>
        Interlocked.Add(ref _availableBytes, ((long)keys * WorstCaseKeyBytes) - ksetBytes);

    /// <summary>
    /// The log goes on in a segment of the reserve. The head's room was (at most) zero, the next segment's was
    /// counted while it was in reserve; what the reserve gained is new.
    /// </summary>
    public void Linked(int headOffset, int refilledSegments) =>
        Interlocked.Add(ref _availableBytes, (refilledSegments * (long)_segmentBytes) - HeadRoom(headOffset));

    private int HeadRoom(int offset) => _segmentBytes - offset;

    private bool TryReserveAtOnce(int keys, bool anew)
    {
        Invariant.Holds(keys > 0, "room is reserved for some key");
        long wanted = (long)keys * WorstCaseKeyBytes;
        long least = anew ? 0 : AnewBytes;
        if (Volatile.Read(ref _availableBytes) < wanted + least)
        {
            return false;
        }

        if (Interlocked.Add(ref _availableBytes, -wanted) >= least)
        {
            return true;
        }

        Interlocked.Add(ref _availableBytes, wanted);
        return false;
    }
}
