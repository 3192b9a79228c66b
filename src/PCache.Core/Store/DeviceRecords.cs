using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Store;

/// <summary>
/// The small durable records beside the log: settings, and what is known of the backing. Keeps true: one of them is
/// written at a time; what the log has is never touched; a discard is durable here before the backing is told of it.
/// Any thread.
/// </summary>
internal sealed class DeviceRecords
{
    private readonly SteadyLock _lock = new();
    private readonly ExtentStore _store;
    private readonly PmemRegion _region;
    private readonly MediaState _media;
    private BackingRecord _backing;
    private ReplicaState _backingReplicas;
    private bool _openFingerprintGone;
    private int _gcPercent;

    /// <param name="store">Where they stand.</param>
    /// <param name="backing">What is known of the backing, as the open left it on the medium.</param>
    /// <param name="backingReplicas">Where that stands.</param>
    public DeviceRecords(ExtentStore store, BackingRecord backing, ReplicaState backingReplicas)
    {
        _store = store;
        _region = store.Region;
        _media = store.Media;
        _backing = backing;
        _backingReplicas = backingReplicas;
        _gcPercent = store.Media.Flags.GcPercent;
    }

    /// <summary>How much of the segments may be in use before write-back and collection begin, in percent.</summary>
    public int GcPercent => Volatile.Read(ref _gcPercent);

    /// <summary>Durably changes the threshold.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void SetGcPercent(int percent)
    {
        using (_lock.Hold())
        {
            CacheInfoWriter.SetGcPercent(_region, _media, percent);
            Volatile.Write(ref _gcPercent, percent);
        }
    }

    /// <summary>Durably changes the label.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void SetLabel(string label)
    {
        using (_lock.Hold())
        {
            ExtensionBlocks.SetLabel(_region, _media, label);
        }
    }

    /// <summary>
    /// Durably binds the cache to a shorter length, before the backing has it: a crash in between must not look like
    /// a wrong backing.
    /// </summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void BindShorter(long length, bool resizable)
    {
        using (_lock.Hold())
        {
            if (_media.Extension is { BackingLength: > 0 } block && block.BackingLength > (ulong)length)
            {
                ExtensionBlocks.Bind(_region, _media, length, block.BackingIdentity.ToGuid(), resizable);
            }
        }
    }

    /// <summary>
    /// Durably notes the least length of the backing, so that a shorter one isn't taken for it after a crash. Never
    /// more than the device's: a truncation lowers the note under this lock, after it has published its length, and
    /// before the backing is cut.
    /// </summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void RaiseLength(long length)
    {
        using (_lock.Hold())
        {
            ExtensionBlocks.RaiseLength(_region, _media, Math.Min(length, _store.Length));
        }
    }

    /// <summary>
    /// What the backing held at the open is no longer what it has to hold. Costs nothing from the second time on. One
    /// caller at a time.
    /// </summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void ForgetOpenFingerprint()
    {
        if (!_openFingerprintGone)
        {
            using (_lock.Hold())
            {
                ExtensionBlocks.ClearFingerprint(_region, _media);
            }

            _openFingerprintGone = true;
        }
    }

    /// <summary>Durably keeps a fingerprint of the backing.</summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void KeepFingerprint(in FingerprintRecord record)
    {
        using (_lock.Hold())
        {
            ExtensionBlocks.SetFingerprint(_region, _media, record);
        }
    }

    /// <summary>
    /// Durably notes what the backing is about to be told to discard, so that an open after a crash doesn't take its
    /// content for a wrong one. A range that the note covers already costs nothing.
    /// </summary>
    /// <exception cref="IOException">The medium failed.</exception>
    public void AddDiscard(long from, long end)
    {
        using (_lock.Hold())
        {
            BackingRecord next = _backing;
            if (next.Discard(from, end))
            {
                BackingRecord.Write(_region, ref next, ref _backingReplicas);
                _backing = next;
            }
        }
    }
}
