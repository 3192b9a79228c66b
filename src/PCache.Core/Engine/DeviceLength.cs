using PCache.Core.Layout;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Growth and truncation. Keeps true: a growth calls no backing: the log is told before the first key there can be
/// added, and write-back makes the backing longer; a truncation publishes the new length under all shards' locks, so
/// no key beyond it enters the index afterwards; everything logged before is written back and has left the log before
/// the backing is cut, so nothing beyond the new end can ever be replayed, and the log tells of no length until then;
/// a truncation that failed is finished before the device may grow again, so what was cut off reads as zeros. Any
/// thread; one body for callers that block and callers that don't.
/// </summary>
internal sealed class DeviceLength
{
    private readonly ExtentStore _store;
    private readonly ExtentWriter _writer;
    private readonly UpkeepParts _upkeep;
    private readonly Maintenance _maintenance;
    private readonly DeviceRecords _records;
    private readonly IBlockDevice _backing;
    private readonly LoggedGrowth _growth;
    private readonly LengthGate _gate;
    private volatile bool _truncationPending;

    public DeviceLength(
        UpkeepParts upkeep, Maintenance maintenance, DeviceRecords records, LoggedGrowth growth, IBlockDevice backing)
    {
        _store = upkeep.Store;
        _writer = upkeep.Writer;
        _upkeep = upkeep;
        _maintenance = maintenance;
        _records = records;
        _backing = backing;
        _growth = growth;
        _gate = new LengthGate(maintenance);
    }

    /// <summary>
    /// Whether the backing is longer than the device: a truncation has begun, and hasn't succeeded yet.
    /// </summary>
    public bool IsTruncationPending => _truncationPending;

    /// <inheritdoc cref="IBlockDevice.SetLength"/>
    public void SetLength(long length) =>
        SetAsync(length, async: false, CancellationToken.None).AsTask().GetAwaiter().GetResult();

    /// <inheritdoc cref="SetLength"/>
    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken) =>
        SetAsync(length, async: true, cancellationToken);

    /// <summary>Makes the device at least this long. Within an operation.</summary>
    public void Ensure(long end)
    {
        if (end > _store.Length)
        {
            ExtendAsync(end, async: false, CancellationToken.None).AsTask().GetAwaiter().GetResult();
        }
    }

    /// <inheritdoc cref="Ensure"/>
    public ValueTask EnsureAsync(long end, CancellationToken cancellationToken) =>
        end > _store.Length ? ExtendAsync(end, async: true, cancellationToken) : ValueTask.CompletedTask;

    /// <summary>A truncation has cut off the rest of a write: waits until it has ended.</summary>
    public void WaitForTruncation() => _gate.Wait();

    /// <inheritdoc cref="WaitForTruncation"/>
    public ValueTask WaitForTruncationAsync(CancellationToken cancellationToken) => _gate.WaitAsync(cancellationToken);

    private async ValueTask SetAsync(long length, bool async, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, ExtentStore.MaxLength);
        cancellationToken.ThrowIfCancellationRequested();
        int token = _upkeep.Gate.EnterShared();
        try
        {
            if (!_backing.CanResize)
            {
                throw new NotSupportedException("The backing's length is fixed, and so is the device's.");
            }

            await _gate.EnterAsync(async, cancellationToken).ConfigureAwait(false);
            try
            {
                if (length < _store.Length || _truncationPending)
                {
                    await TruncateAsync(Math.Min(length, _store.Length), async).ConfigureAwait(false);
                }

                if (length > _store.Length)
                {
                    await _growth.GrowAsync(length, async, cancellationToken).ConfigureAwait(false);
                }
            }
            finally
            {
                _gate.Exit();
            }
        }
        finally
        {
            _upkeep.Gate.Exit(token);
        }
    }

    private async ValueTask ExtendAsync(long end, bool async, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, ExtentStore.MaxLength);
        if (!_backing.CanResize)
        {
            throw new ArgumentOutOfRangeException(nameof(end), end, $"The range ends at {end}, beyond the device's "
                + $"length of {_store.Length} bytes, and the backing's length is fixed.");
        }

        await _gate.EnterAsync(async, cancellationToken).ConfigureAwait(false);
        try
        {
            if (end > _store.Length)
            {
                if (_truncationPending)
                {
                    await TruncateAsync(_store.Length, async).ConfigureAwait(false);
                }

                _growth.Note(end);
                _store.ChangeLength(end);
            }
        }
        finally
        {
            _gate.Exit();
        }
    }

    private async ValueTask TruncateAsync(long length, bool async)
    {
        _maintenance.ThrowIfInsideStep(blocking: !async);
        _upkeep.Storage.CheckLength(); // what can't get anywhere fails before anything changes
        Task emptied = BeginTruncation(length);
        if (async)
        {
            await _maintenance.AwaitAsync(emptied, CancellationToken.None).ConfigureAwait(false);
        }
        else
        {
            _maintenance.Await(emptied, CancellationToken.None);
        }

        // Shorter than the device, where write-back had no reason to make it longer.
        long cut = Math.Min(length, _upkeep.Storage.CheckLength());
        _records.BindShorter(cut, _backing.CanResize);
        _upkeep.Storage.BackingEnd = Math.Min(cut, _upkeep.Storage.BackingEnd);
        if (async)
        {
            await _backing.SetLengthAsync(length, CancellationToken.None).ConfigureAwait(false);
        }
        else
        {
            _backing.SetLength(length);
        }

        await FlushBackingAsync(async).ConfigureAwait(false);
        _upkeep.Storage.BackingEnd = length;
        _writer.Log.Length.Begin(length);
        StripeRanges.DropPartialEnd(_store.Index, length);
        _upkeep.Writeback.EndsAt = long.MaxValue; // the backing ends there now
        _truncationPending = false;
    }

    /// <summary>
    /// Publishes the shorter length, and asks for the log to be emptied. The task completes when it is.
    /// </summary>
    private Task BeginTruncation(long length)
    {
        // From here on the backing is longer than the device, until the truncation has succeeded (be it at another
        // call).
        _truncationPending = true;
        StripeRanges.Truncate(_store, length);
        _writer.Discards.TruncateTo(length / MediaConstants.SectorSize);
        _writer.Log.AppendAll();
        _writer.Log.LimitUnloggedLength(length);

        // From the moment on when what is cut off has left the log, write-back keeps inside the new end: a group may
        // be under way when the backing is cut.
        return _maintenance.Ask(
            _store.Positions.KeyHead.Distance, collect: true, onReached: () => _upkeep.Writeback.EndsAt = length);
    }

    private async ValueTask FlushBackingAsync(bool async)
    {
        if (async)
        {
            await _backing.FlushAsync(CancellationToken.None).ConfigureAwait(false);
        }
        else
        {
            _backing.Flush();
        }
    }
}
