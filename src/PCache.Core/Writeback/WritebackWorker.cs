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
}

/// <summary>
/// Ordered write-back, one barrier group at a time.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>A group ends before the first kset that a barrier stands before; nothing of the next group is written before
/// this one's writes were flushed.</item>
/// <item>Of a range only the latest version within the group is written, taken from the log: what the index shows may
/// be newer than the group.</item>
/// <item>The dirty tail moves only after a successful flush of the backing. Any error leaves it, and so all dirty
/// data, where it was.</item>
/// <item>Clean and dead keys are passed. A damaged key is passed only after what the index still shows of it was
/// logged anew, durably, so it stays dirty.</item>
/// <item>Nothing is written to a backing that is shorter than the device, or isn't the file under its name any more,
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
    private int _verified;
    private long _passedKeys;
    private long _passedBytes;
    private long _writtenBytes;
    private long _endsAt = long.MaxValue;
    private volatile bool _callingBacking;

    public WritebackWorker(WritebackParts parts, IBlockDevice backing, PCacheOptions options, IBackingWatch watch)
    {
        _watch = watch;
        _parts = parts;
        _backing = backing;
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
    /// Writes one group back and moves the dirty tail behind it. <paramref name="pressing"/>: a writer waits for
    /// room, or soon will, so a group that frees about a segment soon is better than a large one.
    /// </summary>
    /// <exception cref="IOException">The backing or the medium failed; nothing was lost.</exception>
    /// <exception cref="OperationCanceledException">The device is being closed; nothing was lost.</exception>
    public WritebackOutcome RunGroup(bool pressing, CancellationToken stop)
    {
        if (!CanMove)
        {
            return WritebackOutcome.Nothing;
        }

        int groupBytes = pressing ? Math.Min(_options.WritebackGroupBytes,
            Math.Max(_parts.Segments.DataSize, _options.WritebackGroupBytes / 4)) : _options.WritebackGroupBytes;
        _verifyFirst = false;
        LogPoint end = WriteGroup(groupBytes, stop);

        if (_damaged.Count > 0 && !LogDamagedAnew())
        {
            return WritebackOutcome.NoRoom;
        }

        _parts.Positions.WriteDirtyTail(end);
        _parts.Dirty.Remove(_passedKeys, _passedBytes);

        MarkClean();
        return WritebackOutcome.Moved;
    }

    /// <summary>Collects a group, writes it and flushes the backing; returns the point behind it.</summary>
    private LogPoint WriteGroup(int groupBytes, CancellationToken stop)
    {
        LogPoint end = Collect(groupBytes, stop);
        if (!WritePlan(stop))
        {
            // Damage, met before the run that has it: a group that ends behind the damage. Runs that were written
            // already are of this barrier group, whose writes may reach the backing in any order.
            _verifyFirst = true;
            end = Collect(groupBytes, stop);
            WritePlan(stop);
        }

        if (_plan.EntryCount > 0)
        {
            stop.ThrowIfCancellationRequested();
            long length = _watch.CheckLength();
            FlushBacking();
            _watch.NoteGroup(length);
            Recent.NoteGroup(_plan.Runs);
            Volatile.Write(ref _writtenBytes, _writtenBytes + _plan.RunBytes);
        }

        return end;
    }

    /// <summary>For an exception filter around calls of the backing, and nothing else: never catches.</summary>
    private bool NoteBackingError(Exception error)
    {
        BackingError = error;
        return false;
    }

    /// <summary>
    /// Writes what was collected; doesn't flush. False: a payload is damaged, and it was not written.
    /// </summary>
    private bool WritePlan(CancellationToken stop)
    {
        if (_plan.EntryCount == 0)
        {
            return true;
        }

        int blockSize = Math.Max(1, _backing.BlockSize);
        _verified = 0;
        _callingBacking = true;
        try
        {
            long backingEnd = _watch.CheckLength();
            backingEnd = blockSize == 1 ? Math.Min(backingEnd, EndsAt) : backingEnd;
            _plan.Build(blockSize, backingEnd, BackingWriter.MaxRunBytes);
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

    /// <summary>Collects the group at the dirty tail; returns the point behind it.</summary>
    private LogPoint Collect(int limitBytes, CancellationToken stop)
    {
        _plan.Clear();
        _damaged.Clear();
        _passedKeys = 0;
        _passedBytes = 0;
        long groupBytes = 0;
        LogPoint at = _parts.Positions.DirtyTail;
        long head = _parts.Positions.KeyHead.Distance;
        while (at.Distance < head)
        {
            stop.ThrowIfCancellationRequested();
            ReadKset(at);
            bool barrier = _reader.Header.IsBarrier;
            if ((_plan.EntryCount > 0 && (barrier || groupBytes >= limitBytes)) || _damaged.Count > 0)
            {
                break; // behind damage at once: there may be room in the log for no more than what one kset holds
            }

            ReadOnlySpan<CacheKey> keys = _reader.Keys;
            for (int i = 0; i < keys.Length; i++)
            {
                KeyState state = _validator.Check(in keys[i], _reader.KeyDeviceOffset(i), _parts.Segments.Generations);
                if (state == KeyState.Live && !keys[i].IsClean)
                {
                    groupBytes += Take(in keys[i], at.Distance);
                }
            }

            at = new LogPoint(_reader.Next, at.Distance + _reader.SizeBytes);
        }

        return at;
    }

    private void ReadKset(LogPoint at)
    {
        SequenceTracker any = default;
        KsetOutcome outcome = _reader.Read(at.Position, ref any);
        if (outcome != KsetOutcome.Valid)
        {
            throw new PCacheCorruptionException("kset", _reader.DeviceOffset,
                $"The kset at {at.Position} was whole when it was logged or replayed, now it isn't ({outcome}).");
        }
    }

    private long Take(in CacheKey key, long distance)
    {
        _passedKeys++;
        _passedBytes += key.Length;
        if (_relogged.Count > 0 && _relogged.TryGetValue(IdentityOf(in key), out long relogged) && relogged <= distance)
        {
            _relogged.Remove(IdentityOf(in key));
        }

        if (_verifyFirst && !IsSound(in key))
        {
            _damaged.Add(key);
            return 0;
        }

        if (_plan.EntryCount == _written.Length)
        {
            Array.Resize(ref _written, _written.Length * 2);
        }

        _written[_plan.EntryCount] = key;
        _plan.Add((long)key.Offset, (int)key.Length, SourceOf(in key));
        return key.Length;
    }

    private long SourceOf(in CacheKey key) => _parts.Segments.DataOffset((int)key.Segment) + key.SegmentOffset;

    private bool IsSound(in CacheKey key) =>
        !_payloadCrc
            || Crc32C.HashToUInt32(_parts.Region.ReadSpan(SourceOf(in key), (int)key.Length)) == key.PayloadCrc;

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
