using PCache.Core.Backing;
using PCache.Core.Diagnostics;
using PCache.Core.Layout;
using PCache.Core.Opening;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// The cache at work: composes what every device has, and, where it is writable, the half that changes something.
/// Each path is a class of its own.
/// </summary>
/// <remarks>
/// Keeps true, over all paths:
/// <list type="bullet">
/// <item>Locks are taken in the order of their ranks (<see cref="LockRank"/>). No call of the backing and no wait for
/// room under one from <see cref="LockRank.Append"/> on.</item>
/// </list>
/// </remarks>
internal sealed class CacheEngine
{
    private readonly EngineParts _parts;
    private readonly WritableHalf? _writable;
    private readonly DeviceState _state;
    private readonly Closing _closing;

    /// <summary>Composes an engine from what <see cref="Recovery"/> found.</summary>
    public CacheEngine(
        PmemRegion region, IBlockDevice backing, PCacheOptions options, RecoveredCache found,
        DeviceDiagnostics diagnostics, BackingClaim? claim)
    {
        Listeners = new StateListeners(diagnostics);
        // first asked by Start
        var monitor = new StateMonitor(before => _state!.Read(before), () => Listeners.Any, Listeners.Tell);
        var store = new ExtentStore(
            found.Extents,
            Math.Max(backing.Length, found.LengthInLog),
            options.VerifyReads,
            dropsDamaged: !options.ReadOnly,
            new DamageListener(diagnostics, monitor));
        _parts = new EngineParts
        {
            Store = store,
            Backing = backing,
            Storage = new StorageWatch(region, backing, store, options.TimeProvider, monitor),
            Space = new SpaceQueue(),
            Gate = new OperationGate(),
            Monitor = monitor,
            Diagnostics = diagnostics,
            Options = options,
            Report = found.Report,
            Claim = claim,
        };

        IUpkeepView upkeep = new NoUpkeep();
        ICloseSteps saving = new NothingToSave();
        var misses = new BackingReads(store, new PassingMisses(store), backing, _parts.Storage, diagnostics);
        if (!options.ReadOnly)
        {
            _writable = new WritableHalf(_parts, found);
            (upkeep, saving, misses) = (_writable, _writable.Saving, _writable.BackingReads);
        }

        Reads = new ReadPath(store, new Hits(store), misses, _parts.Space, _parts.Gate);
        _state = new DeviceState(_parts, upkeep);
        _closing = new Closing(_parts, saving);
    }

    /// <summary>Reads.</summary>
    public ReadPath Reads { get; }

    /// <summary>Everything that changes something.</summary>
    /// <exception cref="ObjectDisposedException">The device is read-only, and closed.</exception>
    /// <exception cref="NotSupportedException">It is read-only.</exception>
    public WritableHalf Writable => _writable ?? RefuseWriting();

    /// <summary>What is cached.</summary>
    public ExtentStore Store => _parts.Store;

    /// <summary>Writers that wait for room.</summary>
    public SpaceQueue Space => _parts.Space;

    /// <summary>Those who want to be told of changes of state.</summary>
    public StateListeners Listeners { get; }

    /// <summary>What the open found.</summary>
    public RecoveryReport Report => _parts.Report;

    /// <summary>The claim of the backing.</summary>
    public BackingClaim? Claim => _parts.Claim;

    /// <summary>Length of the device in bytes.</summary>
    public long Length => _parts.Store.Length;

    /// <summary>What the region's stores are worth.</summary>
    public Persistence Persistence => _parts.Store.Region.Persistence;

    /// <summary>Whether writing is allowed.</summary>
    public bool CanWrite => _writable is not null;

    /// <summary>Whether the device can change its length.</summary>
    public bool CanResize => CanWrite && _parts.Backing.CanResize;

    /// <summary>The longest that the device can become, as far as is known, in bytes.</summary>
    public long MaxLengthBytes =>
        Math.Min(ExtentStore.MaxLength, _parts.Backing is CheckedBlockDevice own ? own.MaxLengthBytes : long.MaxValue);

    /// <summary>How long a close may take, or <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public TimeSpan DisposeTimeout => _parts.Options.DisposeTimeout;

    /// <summary>The state now.</summary>
    /// <exception cref="ObjectDisposedException">The device is closed.</exception>
    public PCacheState State => _state.Now;

    /// <summary>How consistent the backing is kept.</summary>
    /// <exception cref="ObjectDisposedException">The device is closed.</exception>
    public BackingConsistency Consistency
    {
        get
        {
            ThrowIfClosed();
            return _writable?.Consistency ?? BackingConsistency.EachFlush;
        }
    }

    /// <summary>Starts the background thread, where the device has one, and lets the meter look.</summary>
    public void Start()
    {
        ExtensionBlock? block = Store.Media.Extension;
        _parts.Diagnostics.Start(
            _state, block?.CacheId.ToGuid() ?? Guid.Empty,
            block is { } b ? ExtensionBlocks.GetLabel(in b) : string.Empty);
        _parts.Monitor.Look();
        if (_writable is { } writable)
        {
            writable.Start();
        }
    }

    /// <summary>Throws if the device is closed.</summary>
    public void ThrowIfClosed()
    {
        if (_parts.Gate.IsClosed)
        {
            OperationGate.ThrowDisposed();
        }
    }

    /// <summary>Flushes; there is nothing to flush on a read-only device.</summary>
    public void Flush()
    {
        if (_writable is { } writable)
        {
            writable.Flushes.Flush();
            return;
        }

        int token = _parts.Gate.Enter();
        Store.Counters.Add(OperationGate.IndexOf(token), DeviceCounter.Flushes, 1);
        _parts.Gate.Exit(token);
    }

    /// <inheritdoc cref="Flush"/>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (_writable is { } writable)
        {
            return writable.Flushes.FlushAsync(cancellationToken);
        }

        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        Flush();
        return ValueTask.CompletedTask;
    }

    /// <summary>Everything that can be told.</summary>
    public PCacheStatus GetStatus()
    {
        int token = _parts.Gate.Enter();
        try
        {
            return _state.GetStatus(_writable is { } writable ? writable.GcPercent : Store.Media.Flags.GcPercent);
        }
        finally
        {
            _parts.Gate.Exit(token);
        }
    }

    /// <summary>Closes the device.</summary>
    public void Close() => _closing.Close();

    private WritableHalf RefuseWriting()
    {
        ThrowIfClosed();
        throw new NotSupportedException("The cache is open for reading only.");
    }
}
