namespace PCache.Core.Writeback;

/// <summary>Watches the backing for write-back. Any thread, but for <see cref="NoteGroup"/>.</summary>
internal interface IBackingWatch
{
    /// <summary>The backing's length. Asked before each write of the backing.</summary>
    /// <exception cref="PCacheStorageChangedException">It is shorter than it was made.</exception>
    long CheckLength();

    /// <summary>Write-back has made the backing at least this long.</summary>
    void NoteGrown(long length);

    /// <summary>Asked before what was written counts.</summary>
    /// <exception cref="PCacheStorageChangedException">The backing is shorter, or isn't what was opened any
    /// more.</exception>
    void CheckStorage();

    /// <summary>
    /// A group is durable on a backing of this length, and is about to count. On the maintenance thread.
    /// </summary>
    /// <exception cref="IOException">The medium failed; the group doesn't count.</exception>
    void NoteGroup(long length);
}
