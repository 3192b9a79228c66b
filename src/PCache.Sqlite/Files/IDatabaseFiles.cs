namespace PCache.Sqlite.Files;

/// <summary>
/// The files of a database as its connections see them. All members may be called from any number of threads.
/// </summary>
internal interface IDatabaseFiles
{
    /// <summary>
    /// Whether after a crash no write is there without all that had returned before it began, also in the plain files:
    /// then a synchronisation is needed only where something is to be durable.
    /// </summary>
    bool IsSequential { get; }

    bool Exists(FileSlot slot);

    long GetLength(FileSlot slot);

    /// <summary>Reads; returns the bytes read, less than asked for only where the file ends.</summary>
    int Read(FileSlot slot, long offset, Span<byte> buffer);

    /// <summary>
    /// Writes; the file must exist, and grows if need be. What lies between its end and the write reads as zeros.
    /// </summary>
    void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer);

    /// <summary>Makes an empty file where there is none.</summary>
    void Create(FileSlot slot);

    /// <summary>Deletes the file; on return that is durable, and ordered behind everything before.</summary>
    void Delete(FileSlot slot);

    /// <summary>Sets the length. A shorter one is durable on return.</summary>
    void SetLength(FileSlot slot, long lengthBytes);

    /// <summary>Makes everything of the file durable that was written before, its length too.</summary>
    void Sync(FileSlot slot);

    /// <summary>
    /// Begins a transaction on the database's file, which exists; null: there is no cache that could take it as a
    /// whole.
    /// </summary>
    FileTransaction? BeginTransaction();
}
