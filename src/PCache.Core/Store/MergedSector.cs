namespace PCache.Core.Store;

/// <summary>
/// The sector that this thread merged last, as it stored it: a stream of small writes goes on in it, and payload that
/// was just stored past the caches would have to come from memory. Keeps true: it is the content of exactly one
/// payload sector, named by device (a number that is never used twice), place and generation; payload of one
/// generation never changes, so the copy can't be stale.
/// </summary>
internal sealed class MergedSector
{
    private static long _devices;

    [ThreadStatic]
    private static MergedSector? _current;

    private readonly byte[] _content = new byte[Layout.MediaConstants.SectorSize];
    private long _device;
    private long _place;
    private ulong _generation;

    /// <summary>This thread's.</summary>
    public static MergedSector Current => _current ??= new MergedSector();

    /// <summary>A number for a device, 1 or more.</summary>
    public static long NewDevice() => Interlocked.Increment(ref _devices);

    /// <summary>Copies the content of a payload sector, if it is the one that this thread stored last.</summary>
    public bool TryCopy(long device, long place, ulong generation, Span<byte> content)
    {
        if (_device != device || _place != place || _generation != generation)
        {
            return false;
        }

        _content.CopyTo(content);
        return true;
    }

    /// <summary>Remembers what was stored.</summary>
    public void Set(long device, long place, ulong generation, ReadOnlySpan<byte> content)
    {
        content.CopyTo(_content);
        (_device, _place, _generation) = (device, place, generation);
    }
}
