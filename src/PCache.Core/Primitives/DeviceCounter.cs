namespace PCache.Core.Primitives;

/// <summary>What the operations of a device count, by its place in a <see cref="Primitives.CounterSet"/>.</summary>
internal static class DeviceCounter
{
    /// <summary>Reads served without the backing.</summary>
    public const int Hits = 0;

    /// <summary>Reads that needed the backing.</summary>
    public const int Misses = 1;

    /// <summary>Bytes copied out of the cache.</summary>
    public const int HitBytes = 2;

    /// <summary>Bytes delivered from the backing.</summary>
    public const int MissBytes = 3;

    /// <summary>Bytes given to readers: counted where a read ends, the two above where the bytes come from.</summary>
    public const int ReadBytes = 4;

    /// <summary>Writes and write-zeroes; of a batch, each.</summary>
    public const int Writes = 5;

    /// <summary>Bytes written by callers.</summary>
    public const int WrittenBytes = 6;

    /// <summary>Flushes asked for.</summary>
    public const int Flushes = 7;

    /// <summary>Discards.</summary>
    public const int Discards = 8;

    /// <summary>Operations that had to wait for room.</summary>
    public const int SpaceWaits = 9;

    /// <summary>Misses that didn't fill the cache, as there was no room.</summary>
    public const int FillsWithoutRoom = 10;

    /// <summary>Misses that didn't fill the cache, as read caching is suspended.</summary>
    public const int FillsSuspended = 11;
}
