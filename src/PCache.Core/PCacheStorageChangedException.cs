namespace PCache.Core;

/// <summary>What became of a file or device under an open cache.</summary>
public enum StorageChange
{
    /// <summary>Nothing: it is as it was opened.</summary>
    None = 0,

    /// <summary>It is shorter than the cache knows it to be: another program has cut it.</summary>
    Shorter = 1,

    /// <summary>Another file is under its name now (renamed over it, or deleted and made anew).</summary>
    Replaced = 2,

    /// <summary>Nothing is under its name any more (deleted, or renamed).</summary>
    Removed = 3,
}

/// <summary>
/// The backing, or the cache's own file, was cut, replaced or removed by another program while the cache was open.
/// Nothing dirty was lost: what isn't safely on the backing stays in the cache, and everything goes on by itself once
/// the storage is whole again.
/// </summary>
public sealed class PCacheStorageChangedException : PCacheException
{
    /// <summary>Makes an exception.</summary>
    public PCacheStorageChangedException()
    {
    }

    /// <summary>Makes an exception with a message.</summary>
    public PCacheStorageChangedException(string message)
        : base(message)
    {
    }

    /// <summary>Makes an exception with a message and a cause.</summary>
    public PCacheStorageChangedException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal PCacheStorageChangedException(StorageChange change, bool isCacheFile, string? path, string message)
        : base(message)
    {
        Change = change;
        IsCacheFile = isCacheFile;
        Path = path;
    }

    /// <summary>What has happened.</summary>
    public StorageChange Change { get; }

    /// <summary>Whether it is the cache's own file; false: the backing.</summary>
    public bool IsCacheFile { get; }

    /// <summary>The path under which it was opened; null if it isn't a file, or its name isn't known.</summary>
    public string? Path { get; }
}
