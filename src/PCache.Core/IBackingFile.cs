namespace PCache.Core;

/// <summary>
/// What a block device over a file tells of that file. The devices of <see cref="BlockDevice"/> have it; a decorator
/// of a backing that passes it on lets the cache go on watching the file. Thread-safe.
/// </summary>
public interface IBackingFile
{
    /// <summary>The path under which the file was opened; null if its name isn't known or isn't watched.</summary>
    string? FilePath { get; }

    /// <summary>
    /// Which file it is, among all of this machine: device number in the upper, inode number in the lower 64 bits.
    /// Zero: the platform can't tell. A copy has another one, a renamed file keeps it.
    /// </summary>
    UInt128 FileId { get; }

    /// <summary>
    /// Whether the open file is still the one under its name: one or two system calls. Never
    /// <see cref="StorageChange.Shorter"/>, and none where it can't be told.
    /// </summary>
    StorageChange LookAtFile();
}
