namespace PCache.Core;

/// <summary>Base of all errors that the cache itself raises (not those of arguments, of disposal, or of the backing's own I/O).</summary>
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

/// <summary>The cache medium holds something that a sound cache never holds. The message names structure, device offset, field, value found and values allowed.</summary>
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

    /// <summary>The structure that is damaged, in the terms of the format page ("superblock", "kset", ...); null if not known.</summary>
    public string? Structure { get; }

    /// <summary>Byte offset of the structure on the cache device; -1 if not known.</summary>
    public long DeviceOffset { get; } = -1;
}

/// <summary>A dirty cached range whose payload no longer fits its checksum. The rest of the device is not affected.</summary>
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
        : base($"The cached payload of bytes {offset}..{offset + lengthBytes - 1} doesn't fit its checksum. Overwrite or abandon the range to go on; the rest of the device is sound.")
    {
        Offset = offset;
        LengthBytes = lengthBytes;
    }

    /// <summary>First byte of the damaged range on the device.</summary>
    public long Offset { get; }

    /// <summary>Length of the damaged range in bytes.</summary>
    public long LengthBytes { get; }
}

/// <summary>There is no (complete) cache on the region: it was never formatted, or formatting was not finished.</summary>
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

/// <summary>The backing isn't the one that the cache is bound to, or doesn't fit what is in the cache.</summary>
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
}

/// <summary>Whoever wrote the image lost writes that are still dirty (dead keys at or after the dirty tail). A writable open needs explicit consent.</summary>
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

/// <summary>The index needs more memory than <see cref="PCacheOptions.MaxIndexMemoryBytes"/> allows. Nothing was changed.</summary>
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
