using System.Runtime.CompilerServices;
using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Core.Store;

namespace PCache.Core.Opening;

/// <summary>
/// Takes the keys of the log as they are read, and makes the index of them. Keeps true: a key counts as dirty exactly
/// if it stands at or behind the dirty tail, lives, and isn't marked clean; of overlapping keys the later wins; a
/// dead key takes what it overlaps out of the index; nothing on the medium is changed. Belongs to the opening thread.
/// </summary>
internal sealed class ReplaySink : IReplaySink, IDisposable
{
    /// <summary>
    /// Most threads that help to fill the index: one thread reads about as fast as this many can insert. None where
    /// the device is to do the same thing each time: by hand, or on a machine that was made up.
    /// </summary>
    private const int MaxHelpers = 8;

    /// <summary>Keys between two looks at the index's memory: a few megabytes of it.</summary>
    private const int KeysPerMeasure = 1 << 18;

    private readonly IndexMemory _memory;
    private readonly OpenMonitor _monitor;
    private readonly ReplayIndexer _indexer;
    private readonly uint _comparableSince;
    private long _distance;
    private int _lastSize;
    private bool _comparable;
    private long _dirtyTailDistance = -1;
    private int _keysUnmeasured;
    private long _dirtyKeys;
    private long _dirtyBytes;

    /// <param name="index">Where the keys go.</param>
    /// <param name="memory">The bound on its memory.</param>
    /// <param name="options">How many threads help.</param>
    /// <param name="monitor">Progress.</param>
    /// <param name="comparableSince">Keys of ksets up to this number tell nothing of the backing's content; 0: all
    /// do.</param>
    public ReplaySink(
        ShardedIndex index, IndexMemory memory, PCacheOptions options, OpenMonitor monitor, uint comparableSince)
    {
        _memory = memory;
        _monitor = monitor;
        _comparableSince = comparableSince;
        Machine machine = Machine.Of(options.TimeProvider);
        bool alone = options.Maintenance == MaintenanceMode.Manual || !ReferenceEquals(machine.Chance, Chance.Machine);
        int helpers = machine.ReplayHelpers ?? (alone ? 0 : Math.Min(machine.Chance.Cores - 1, MaxHelpers));
        _indexer = new ReplayIndexer(index, helpers, machine.ReplayBatchKeys);
    }

    /// <summary>The keys that were written back last.</summary>
    public RecentKeys WrittenBack { get; } = new(4096);

    /// <summary>The keys that misses filled last.</summary>
    public RecentKeys Filled { get; } = new(1024);

    /// <summary>Number of the kset at the dirty tail; 0: it has none, or the log ends there.</summary>
    public uint DirtyTailSequence { get; private set; }

    /// <summary>Where the log ends, in bytes from the key tail on.</summary>
    public long EndDistance => _distance + _lastSize;

    /// <summary>Where the dirty tail is.</summary>
    public long DirtyTailDistance => _dirtyTailDistance < 0 ? EndDistance : _dirtyTailDistance;

    /// <summary>Waits until the index has all keys.</summary>
    /// <exception cref="PCacheIndexMemoryException">They don't fit the bound.</exception>
    public void Complete(DirtyCounters dirty)
    {
        _indexer.Complete();
        _memory.CheckReplayed();
        dirty.Add(_dirtyKeys, _dirtyBytes);
        _monitor.FoundEnd(EndDistance);
    }

    /// <inheritdoc/>
    public void Dispose() => _indexer.Dispose();

    /// <inheritdoc/>
    void IReplaySink.OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail)
    {
        int keys = header.IsLast ? 0 : (int)header.KeyCount;
        _distance += _lastSize;
        _lastSize = MediaConstants.KsetHeaderSize + (keys * MediaConstants.KeySize);
        if (atOrAfterDirtyTail && _dirtyTailDistance < 0)
        {
            _dirtyTailDistance = _distance;
            DirtyTailSequence = header.Sequence;
        }

        _comparable = _comparableSince == 0
            || (header.Sequence != 0 && SequenceTracker.Distance(_comparableSince, header.Sequence) - 1 < int.MaxValue);
        _keysUnmeasured += keys;
        if (_keysUnmeasured >= KeysPerMeasure)
        {
            _keysUnmeasured = 0;
            _memory.CheckReplayed();
        }

        _monitor.Replayed(EndDistance, keys);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    void IReplaySink.OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
    {
        if (state == KeyState.Dead)
        {
            // Its data has been written back; what it overlaps is older than that.
            _indexer.Add(in key, ReplayAction.Remove);
            return;
        }

        bool dirty = atOrAfterDirtyTail && !key.IsClean;
        _indexer.Add(in key, dirty ? ReplayAction.InsertDirty : ReplayAction.InsertClean);
        if (dirty)
        {
            _dirtyKeys++;
            _dirtyBytes += key.Length;
        }
        else if (_comparable)
        {
            (key.IsClean ? Filled : WrittenBack).Add(in key);
        }
    }
}
