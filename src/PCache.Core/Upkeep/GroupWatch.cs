using PCache.Core.Store;
using PCache.Core.Writeback;

namespace PCache.Core.Upkeep;

/// <summary>
/// What write-back has watched and noted. Keeps true: before the first group counts, what the backing held at the
/// open no longer counts as what it has to hold; the length that is noted for an open after a crash, now and then, is
/// never more than the backing has.
/// </summary>
internal sealed class GroupWatch(StorageWatch storage, DeviceRecords records, bool canResize, TimeProvider clock)
    : IBackingWatch
{
    private static readonly TimeSpan LengthNotedEvery = TimeSpan.FromSeconds(1);

    private long _lengthNotedAt = long.MinValue / 2;

    /// <inheritdoc/>
    public long CheckLength() => storage.CheckLength();

    /// <inheritdoc/>
    public void NoteGrown(long length) => storage.BackingEnd = Math.Max(storage.BackingEnd, length);

    /// <inheritdoc/>
    public void CheckStorage() => storage.CheckBacking();

    /// <inheritdoc/>
    public void NoteGroup(long length)
    {
        records.ForgetOpenFingerprint();
        if (canResize && clock.GetElapsedTime(_lengthNotedAt) >= LengthNotedEvery)
        {
            _lengthNotedAt = clock.GetTimestamp();
            records.RaiseLength(length);
        }
    }
}
