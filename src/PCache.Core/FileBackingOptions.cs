namespace PCache.Core;

/// <summary>How a file or Linux block device is used as a backing. Immutable. Ignored for what isn't one.</summary>
public sealed record FileBackingOptions
{
    /// <summary>
    /// Consent to use the file beside others. False (the default): a writable device claims it, so that no other
    /// program can write to it meanwhile: an exclusive advisory lock (flock) of a file, which also keeps other .NET
    /// programs from opening it, and O_EXCL of a Linux block device, which a mounted one refuses. A read-only device
    /// shares the file with other readers.
    /// </summary>
    public bool AllowSharing { get; init; }

    /// <summary>
    /// Consent to go without the claim where it can't be had at all: the file system has no locks, or gives none now.
    /// False (the default): that refuses the file. Another process's claim refuses it in either case.
    /// </summary>
    public bool AllowWithoutLock { get; init; }

    /// <summary>
    /// Whether the file is watched by its name: a cache writes nothing more to a file that is no longer the one under
    /// its name. Default true. Where the name isn't known (a FileStream made of a handle), or doesn't lead to the
    /// file in the first place, only the going of the file's last name is noticed; of a file without any name,
    /// nothing.
    /// </summary>
    public bool WatchName { get; init; } = true;

    /// <summary>
    /// Whether growth of the file takes the disk's blocks at once (fallocate, Linux), so that a full disk is the error
    /// of the growth, and the file stays as it was. Behind a cache it is write-back that makes the file longer.
    /// Default false: a grown file is sparse until it is written. Holes that the file has already stay, and discards
    /// give no space back. Where the file system can't allocate, growth is as without.
    /// </summary>
    public bool AllocateGrowth { get; init; }

    /// <summary>
    /// Whether a discard gives the range's space back to the file system (Linux: a hole is punched, and reads as
    /// zeros), and so does a write of zeros. Default true; no effect with <see cref="AllocateGrowth"/>, on block
    /// devices, and where the file system can't do it.
    /// </summary>
    public bool PunchHoles { get; init; } = true;
}
