namespace PCache.Sqlite.Files;

/// <summary>
/// The plain files of one database on the backing storage, as simple as a file system promises them: writes, lengths
/// and names are durable after their sync only.
/// </summary>
/// <remarks>
/// Reads and writes of existing files may come from several threads at once; creating, deleting and changes of length
/// come alone.
/// </remarks>
internal interface IFileStore : IDisposable
{
    /// <summary>Whether the file is there.</summary>
    bool Exists(FileSlot slot);

    /// <summary>Its length in bytes; 0 where it doesn't exist.</summary>
    long GetLength(FileSlot slot);

    /// <summary>
    /// Reads; returns the bytes read, less than asked for only where the file ends. 0 where it doesn't exist.
    /// </summary>
    int Read(FileSlot slot, long offset, Span<byte> buffer);

    /// <summary>Writes into an existing file, which grows if need be.</summary>
    void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer);

    /// <summary>Makes an empty file where there is none.</summary>
    void Create(FileSlot slot);

    /// <summary>Deletes the file, if it is there.</summary>
    void Delete(FileSlot slot);

    /// <summary>Sets the length of an existing file.</summary>
    void SetLength(FileSlot slot, long lengthBytes);

    /// <summary>Makes content and length of an existing file durable.</summary>
    void Sync(FileSlot slot);

    /// <summary>Makes creations and deletions durable.</summary>
    void SyncNames();

    /// <summary>Which file it is, and when it last changed; zeros: not known. It exists.</summary>
    FileStamp Stamp(FileSlot slot);
}

/// <summary>What tells a file from another one, and from itself after a change; 0: not known.</summary>
/// <param name="Inode">Its number on its file system.</param>
/// <param name="BornNanoseconds">When it was made, in nanoseconds since 1970: a number may be given anew.</param>
/// <param name="ModifiedNanoseconds">When its content last changed, in nanoseconds since 1970.</param>
internal readonly record struct FileStamp(ulong Inode, long BornNanoseconds, long ModifiedNanoseconds);
