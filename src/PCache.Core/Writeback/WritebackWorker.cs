using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Store;

namespace PCache.Core.Writeback;

/// <summary>What write-back works on.</summary>
internal sealed record WritebackParts(
    PmemRegion Region,
    MediaState Media,
    SegmentTable Segments,
    LogPositions Positions,
    ShardedIndex Index,
    LogWriter Log,
    DamageRegistry Damage,
    DirtyCounters Dirty);

/// <summary>What a step of write-back did.</summary>
internal enum WritebackOutcome
{
    /// <summary>The dirty tail has moved.</summary>
    Moved,

    /// <summary>There is nothing (more) to write back; what is left in the log, if anything, is damaged.</summary>
    Nothing,

    /// <summary>A damaged key has to be logged anew, and the log has no room for it now.</summary>
    NoRoom,

    /// <summary>What is dirty can go to the backing in one step only, and no flush has ended it yet.</summary>
    NeedsBarrier,
}

/// <summary>
/// Write-back in the order of the log: one barrier group at a time, or a window of many of them in one step.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>At <see cref="BackingConsistency.EachFlush"/> a group ends before the first kset that a barrier stands before;
/// nothing of the next group is written before this one's writes were flushed.</item>
/// <item>At <see cref="BackingConsistency.Checkpoint"/> a window is written only once all of it stands in a journal,
/// durably; a window that was begun is finished before anything else is written.</item>
/// <item>Of a range only the latest version within the group is written, taken from the log: what the index shows may
/// be newer than the group.</item>
/// <item>The dirty tail moves only after a successful flush of the backing. Any error leaves it, and so all dirty
/// data, where it was.</item>
/// <item>The backing is made longer here alone, by the lengths that the log tells, before what lies beyond its old end
/// is written; the dirty tail passes such a length only once the backing has it durably.</item>
/// <item>Clean and dead keys are passed. A damaged key is passed only after what the index still shows of it was
/// logged anew, durably, so it stays dirty.</item>
/// <item>Nothing is written to a backing that is shorter than it was made, or isn't the file under its name any more,
/// and nothing that was counts as written back.</item>
/// <item>No byte of a key is written before the whole payload of the key was verified.</item>
/// <item>Payload is stable while it is read here: keys from the key tail on hold references.</item>
/// </list>
/// Runs on the maintenance thread only, but for <see cref="EndsAt"/>.
/// </remarks>
internal sealed partial class WritebackWorker
{
    /// <summary>Keys marked clean under one hold of a shard's lock: a microsecond or two.</summary>
    private const int KeysPerHold = 8;

    private readonly WritebackParts _parts;
    private readonly IBlockDevice _backing;
    private readonly IBackingWatch _watch;
    private readonly PCacheOptions _options;
    private readonly KsetReader _reader;
    private readonly KeyValidator _validator;
    private readonly WritebackPlan _plan = new();
    private readonly BackingWriter _writer;
    private CacheKey[] _written = new CacheKey[MediaConstants.MaxKeysPerKset]; // of each entry of the plan
    private readonly Func<WritebackRun, bool> _verifyRun;
    private readonly List<CacheKey> _damaged = [];
    private readonly ExtentBuffer _pieces = new();
    private readonly bool _payloadCrc;
    private bool _verifyFirst;
    private BackingConsistency _stepLevel; // of the step under way, whatever is set meanwhile
    private long _limitBytes;
    private uint _firstSequence;
    private uint _lastSequence;
    private int _verified;
    private long _passedKeys;
    private long _passedBytes;
    private long _writtenBytes;
    private long _endsAt = long.MaxValue;
    private volatile bool _callingBacking;

    public WritebackWorker(
        WritebackParts parts, IBlockDevice backing, PCacheOptions options, IBackingWatch watch,
        CheckpointSettings checkpoints)
    {
        _level = (int)checkpoints.Level;
        Journal = checkpoints.Journal;
        _watch = watch;
        _parts = parts;
        _backing = backing;
        _windows = backing as IWindowBacking;
        _options = options;
        _payloadCrc = parts.Media.Flags.PayloadCrc;
        _reader = new KsetReader(parts.Region, parts.Media.Geometry, parts.Media.Chain);
        _validator = new KeyValidator(parts.Media.Geometry, parts.Media.ChainLength, backingLength: null);
        _writer = new BackingWriter(parts.Region, backing, options, watch.CheckLength);
        _verifyRun = VerifyRun;
    }

    /// <summary>Bytes written to the backing so far.</summary>
    public long WrittenBytes => Volatile.Read(ref _writtenBytes);

    /// <summary>Goes up with each call that the backing is given; any thread may read it.</summary>
    public long Progress => _writer.Progress;

    /// <summary>Whether a call of the backing may be under way.</summary>
    public bool IsCallingBacking => _callingBacking;

    /// <summary>
    /// The last error that came from the backing, so that it can be told from an error of the medium.
    /// </summary>
    public Exception? BackingError { get; private set; }

    /// <summary>
    /// Where the backing is about to be cut: nothing is written beyond. Set while no group is under way, once the log
    /// has nothing but zeros beyond.
    /// </summary>
    public long EndsAt
    {
        get => Volatile.Read(ref _endsAt);
        set => Volatile.Write(ref _endsAt, value);
    }

    /// <summary>
    /// Where the last groups were written. Belongs to the maintenance, and after its end to the close.
    /// </summary>
    public RecentBlocks Recent { get; } = new();

    /// <summary>Whether there are dirty keys other than damaged ones that were logged anew.</summary>
    public bool HasWork => _parts.Dirty.Keys > _relogged.Count;

    /// <summary>Whether moving the dirty tail, be it only over clean keys, gets GC on.</summary>
    public bool CanMove
    {
        get
        {
            long head = _parts.Positions.KeyHead.Distance;
            long tail = _parts.Positions.DirtyTail.Distance;
            return tail < head && (HasWork || head != _relogEnd || tail < FirstRelogged());
        }
    }

    /// <summary>
    /// Writes one group or window back and moves the dirty tail behind it. <paramref name="pressing"/>: a writer
    /// waits for room, or soon will, so a group that frees about a segment soon is better than a large one.
    /// </summary>
    /// <exception cref="IOException">The backing, the journal or the medium failed; nothing was lost.</exception>
    /// <exception cref="OperationCanceledException">The device is being closed; nothing was lost.</exception>
    public WritebackOutcome RunGroup(bool pressing, CancellationToken stop)
    {
        if (Journal is { IsPending: true } && TryFinishCheckpoint(stop))
        {
            return WritebackOutcome.Moved;
        }

        if (!CanMove)
        {
            return WritebackOutcome.Nothing;
        }

        if (_windows is not null && TryWindow(pressing, stop))
        {
            return WritebackOutcome.Moved;
        }

        _stepLevel = Level;
        _limitBytes = _stepLevel == BackingConsistency.EachFlush ? _options.WritebackGroupBytes : CheckpointLimit;
        if (pressing)
        {
            _limitBytes = Math.Min(_limitBytes, Math.Max(_parts.Segments.DataSize, _limitBytes / 4));
        }

        _verifyFirst = false;
        if (WriteNext(stop) is not { } end)
        {
            return WritebackOutcome.NeedsBarrier;
        }

        if (_damaged.Count > 0 && !LogDamagedAnew())
        {
            return WritebackOutcome.NoRoom;
        }

        Pass(end);
        return WritebackOutcome.Moved;
    }

    /// <summary>Everything before this is on the backing, durably.</summary>
    private void Pass(LogPoint end)
    {
        _parts.Positions.WriteDirtyTail(end);
        _parts.Dirty.Remove(_passedKeys, _passedBytes);
        Journal?.NoteDone();
        MarkClean();
    }

    /// <summary>
    /// Collects what comes next, writes it and flushes the backing; returns the point behind it. Null: it can't end
    /// anywhere yet.
    /// </summary>
    private LogPoint? WriteNext(CancellationToken stop)
    {
        LogPoint? end = Collect(stop);
        if (end is { } point && !WritePlan(point, stop))
        {
            // Damage, met before the run that has it: a group that ends behind the damage. Runs that were written
            // already are of this barrier group, whose writes may reach the backing in any order.
            _verifyFirst = true;
            end = Collect(stop);
            _ = end is { } again && WritePlan(again, stop);
        }

        if (end is { } written && (_plan.EntryCount > 0 || _grown))
        {
            stop.ThrowIfCancellationRequested();
            Settle(written);
        }

        return end;
    }

    /// <summary>Makes what was written, up to a point of the log, durable, and takes note of it.</summary>
    private void Settle(LogPoint end)
    {
        Invariant.Holds(
            end.Distance > _parts.Positions.DirtyTail.Distance, "what was written lies behind the dirty tail");
        long length = _watch.CheckLength();
        FlushBacking();
        _grown = false;
        _watch.NoteGroup(length);
        Recent.NoteGroup(_plan.Runs);
        Volatile.Write(ref _writtenBytes, _writtenBytes + _plan.RunBytes);
    }

    private LogPoint? Collect(CancellationToken stop) =>
        _stepLevel == BackingConsistency.EachFlush
            ? CollectGroup((int)_limitBytes, stop)
            : CollectWindow(_limitBytes, stop);

    /// <summary>For an exception filter around calls of the backing, and nothing else: never catches.</summary>
    private bool NoteBackingError(Exception error)
    {
        BackingError = error;
        return false;
    }

    /// <summary>
    /// Writes what was collected; doesn't flush. False: a payload is damaged, and it was not written.
    /// </summary>
    private bool WritePlan(LogPoint end, CancellationToken stop)
    {
        if (_plan.EntryCount == 0 && _backing.Length >= TargetLength)
        {
            return true;
        }

        _verified = 0;
        _callingBacking = true;
        try
        {
            BuildPlan();
            if (_stepLevel == BackingConsistency.Checkpoint && _firstSequence != 0 && _plan.EntryCount > 0)
            {
                if (!TryWriteJournal(end, stop))
                {
                    return false;
                }

                Lengthen();
                return _writer.WriteRuns(_plan, static _ => true, stop);
            }

            TryEndJournal();
            Lengthen();
            return _writer.WriteRuns(_plan, _verifyRun, stop);
        }
        catch (Exception e) when (NoteBackingError(e))
        {
            throw;
        }
        finally
        {
            _callingBacking = false;
        }
    }

    private void BuildPlan()
    {
        int blockSize = Math.Max(1, _backing.BlockSize);
        long backingEnd = Math.Max(_watch.CheckLength(), TargetLength);
        backingEnd = blockSize == 1 ? Math.Min(backingEnd, EndsAt) : backingEnd;
        _plan.Build(blockSize, backingEnd, BackingWriter.MaxRunBytes);
    }

    /// <summary>
    /// Verifies the payload of every key that begins before the end of a run, whole, right before the run is written,
    /// when the bytes are wanted in any case. Runs come here in order, one at a time, so no byte of a key is written
    /// before the key was verified.
    /// </summary>
    private bool VerifyRun(WritebackRun run)
    {
        if (_verifyFirst || !_payloadCrc)
        {
            return true;
        }

        ReadOnlySpan<long> offsets = _plan.SortedOffsets;
        ReadOnlySpan<int> entries = _plan.SortedEntries;
        long end = run.Offset + run.LengthBytes;
        for (; _verified < offsets.Length && offsets[_verified] < end; _verified++)
        {
            if (_verified + 1 < entries.Length)
            {
                // comes out of memory while this one is verified and written
                ref readonly CacheKey ahead = ref _written[entries[_verified + 1]];
                _parts.Region.Prefetch(SourceOf(in ahead), (int)ahead.Length);
            }

            if (!IsSound(in _written[entries[_verified]]))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Before the dirty tail moves.</summary>
    private void FlushBacking()
    {
        _callingBacking = true;
        try
        {
            _backing.Flush();
            _watch.CheckStorage();
        }
        catch (Exception e) when (NoteBackingError(e))
        {
            throw;
        }
        finally
        {
            _callingBacking = false;
        }
    }

    /// <summary>
    /// The backing has what was written now: what the index still shows of it counts as clean. In order of place, a
    /// few keys for each hold of a shard's lock.
    /// </summary>
    private void MarkClean()
    {
        ReadOnlySpan<int> entries = _plan.SortedEntries;
        for (int i = 0; i < entries.Length;)
        {
            long stripe = KeyExtents.StripeOf(in _written[entries[i]]);
            IndexShard shard = _parts.Index.For(stripe);
            using (shard.Gate.Hold())
            {
                bool any = shard.Stripes.TryFind(stripe, out StripeIndex index);
                int limit = Math.Min(entries.Length, i + KeysPerHold);
                for (; i < limit && KeyExtents.StripeOf(in _written[entries[i]]) == stripe; i++)
                {
                    if (any)
                    {
                        MarkClean(index, in _written[entries[i]]);
                    }
                }
            }
        }
    }

    private void MarkClean(StripeIndex index, in CacheKey key)
    {
        Extent extent = KeyExtents.ToExtent(in key, ExtentFlags.Clean);
        if (!index.TryMarkPageClean(in extent))
        {
            var same = new SameKeyFilter(ExtentIdentity.Of(in extent));
            _pieces.Clear();
            index.ReplaceWhere(in extent, ref same, _pieces);
        }
    }
}
