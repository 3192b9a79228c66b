namespace PCache.Core;

/// <summary>
/// Base of all errors that the cache itself raises (not those of arguments, of disposal, or of the backing's own
/// I/O).
/// </summary>
public class PCacheException : IOException
{
    /// <summary>Makes an exception.</summary>
    public PCacheException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>
/// The cache medium holds something that a sound cache never holds. The message names structure, device offset,
/// field, value found and values allowed.
/// </summary>
public class PCacheCorruptionException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheCorruptionException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheCorruptionException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheCorruptionException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal PCacheCorruptionException(string structure, long deviceOffset, string message)
        : base($"{structure} at device offset {deviceOffset}: {message}")
    {
        Structure = structure;
        DeviceOffset = deviceOffset;
    }

    /// <summary>
    /// The structure that is damaged, in the terms of the format page ("superblock", "kset", ...); null if not known.
    /// </summary>
    public string? Structure { get; }

    /// <summary>Byte offset of the structure on the cache device; -1 if not known.</summary>
    public long DeviceOffset { get; } = -1;
}

/// <summary>
/// A dirty cached range whose payload no longer fits its checksum. The rest of the device is not affected.
/// </summary>
public sealed class PCacheDamagedDataException : PCacheCorruptionException
{
    /// <summary>Makes an exception.</summary>
    public PCacheDamagedDataException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheDamagedDataException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheDamagedDataException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal PCacheDamagedDataException(long offset, long lengthBytes)
        : base($"The cached payload of bytes {offset}..{offset + lengthBytes - 1} doesn't fit its checksum. Overwrite "
            + $"or abandon the range to go on; the rest of the device is sound.")
    {
        Offset = offset;
        LengthBytes = lengthBytes;
    }

    /// <summary>First byte of the damaged range on the device.</summary>
    public long Offset { get; }

    /// <summary>Length of the damaged range in bytes.</summary>
    public long LengthBytes { get; }
}

/// <summary>
/// There is no (complete) cache on the region: it was never formatted, or formatting was not finished.
/// </summary>
public sealed class PCacheNotFormattedException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheNotFormattedException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheNotFormattedException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheNotFormattedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>Why a backing was refused.</summary>
public enum BackingMismatchReason
{
    /// <summary>Not known.</summary>
    Unknown = 0,

    /// <summary>Its identity isn't the bound one.</summary>
    Identity = 1,

    /// <summary>Its length isn't the bound one, or isn't what it was when the cache was last closed.</summary>
    Length = 2,

    /// <summary>
    /// Blocks of it don't hold what they held when the cache was last closed, or what the cache knows to be there
    /// after a crash: it was changed meanwhile (an older copy put back, say), or it is another one.
    /// </summary>
    Content = 3,

    /// <summary>The cache holds data for bytes beyond its end.</summary>
    TooShort = 4,

    /// <summary>
    /// After a crash: it is another file than the one that the cache was in front of, and the cache holds nothing
    /// that would tell whether it is a copy.
    /// </summary>
    File = 5,

    /// <summary>
    /// The checkpoint journal beside it was made by another cache, for another backing, or by this cache at a later
    /// time than this image of it is of.
    /// </summary>
    Journal = 6,
}

/// <summary>
/// The backing isn't the one that the cache is bound to, was changed while the cache was away, or doesn't fit what is
/// in the cache. Nothing was changed. The properties say what was expected and what was found; those that don't
/// belong to the <see cref="Reason"/> may be null.
/// </summary>
public sealed class PCacheBackingMismatchException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheBackingMismatchException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheBackingMismatchException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheBackingMismatchException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    /// <summary>Makes an exception with a reason and a message.</summary>
    public PCacheBackingMismatchException(BackingMismatchReason reason, string message)
        : base(message)
    {
        Reason = reason;
    }

    /// <summary>What doesn't fit.</summary>
    public BackingMismatchReason Reason { get; }

    /// <summary>UUID of the cache; null if it has none or it isn't known.</summary>
    public Guid? CacheId { get; internal init; }

    /// <summary>Label of the cache; empty if it has none.</summary>
    public string CacheLabel { get; internal init; } = string.Empty;

    /// <summary>Identity of the backing that the cache is bound to; null if none is bound.</summary>
    public Guid? ExpectedIdentity { get; internal init; }

    /// <summary>Identity that the options named; <see cref="Guid.Empty"/> if they named none.</summary>
    public Guid? ActualIdentity { get; internal init; }

    /// <summary>Length in bytes that the backing should have, or have at least.</summary>
    public long? ExpectedLength { get; internal init; }

    /// <summary>Length in bytes that it has.</summary>
    public long? ActualLength { get; internal init; }

    /// <summary>When the backing was last known to be the right one: the last orderly close.</summary>
    public DateTimeOffset? LastKnown { get; internal init; }

    /// <summary>How many blocks were compared.</summary>
    public int ComparedBlocks { get; internal init; }

    /// <summary>
    /// Blocks that hold something else than they did (of samples that share a checksum, all of them), in order.
    /// </summary>
    public IReadOnlyList<DeviceRange> ChangedBlocks { get; internal init; } = [];
}

/// <summary>
/// The program that wrote the image lost writes that are still dirty (dead keys at or after the dirty tail). A
/// writable open needs explicit consent.
/// </summary>
public sealed class PCacheLostWritesException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheLostWritesException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheLostWritesException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheLostWritesException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>A write found no room: write-back can't make progress, or the configured time-out ran out.</summary>
public sealed class PCacheFullException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheFullException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheFullException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheFullException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>The cache file is in use by another process or another device of this one.</summary>
public sealed class PCacheInUseException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheInUseException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheInUseException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheInUseException(string message, Exception innerException)
        : base(message, innerException)
    {
    }
}

/// <summary>
/// The index needs more memory than <see cref="PCacheOptions.MaxIndexMemoryBytes"/> allows. Nothing was changed.
/// </summary>
public sealed class PCacheIndexMemoryException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheIndexMemoryException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheIndexMemoryException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheIndexMemoryException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal PCacheIndexMemoryException(long neededBytes, long allowedBytes, string message)
        : base(message)
    {
        NeededBytes = neededBytes;
        AllowedBytes = allowedBytes;
    }

    /// <summary>Bytes that are needed, at least.</summary>
    public long NeededBytes { get; }

    /// <summary>Bytes that the option allows.</summary>
    public long AllowedBytes { get; }
}
