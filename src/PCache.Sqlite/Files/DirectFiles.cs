namespace PCache.Sqlite.Files;

/// <summary>
/// The files of a database without a cache, for comparisons. Keeps true: every synchronisation and deletion goes to
/// the storage, as with SQLite's own VFS.
/// </summary>
internal sealed class DirectFiles(IFileStore store) : IDatabaseFiles
{
    private readonly Lock _changing = new();
    private bool _namesUnsynced;

    public bool IsSequential => false;

    public bool Exists(FileSlot slot) => store.Exists(slot);

    public long GetLength(FileSlot slot) => store.GetLength(slot);

    public int Read(FileSlot slot, long offset, Span<byte> buffer) => store.Read(slot, offset, buffer);

    public void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer) => store.Write(slot, offset, buffer);

    public void Create(FileSlot slot)
    {
        lock (_changing)
        {
            if (!store.Exists(slot))
            {
                _namesUnsynced = true;
                store.Create(slot);
            }
        }
    }

    public void Delete(FileSlot slot)
    {
        lock (_changing)
        {
            store.Delete(slot);
            store.SyncNames();
        }
    }

    public void SetLength(FileSlot slot, long lengthBytes) => store.SetLength(slot, lengthBytes);

    /// <summary>Plain files can't be changed as a whole.</summary>
    public FileTransaction? BeginTransaction() => null;

    public void Sync(FileSlot slot)
    {
        store.Sync(slot);
        lock (_changing)
        {
            if (_namesUnsynced)
            {
                store.SyncNames();
                _namesUnsynced = false;
            }
        }
    }
}
