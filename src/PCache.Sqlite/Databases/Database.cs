using System.Runtime.ExceptionServices;
using PCache.Core;
using PCache.Core.Files;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;

namespace PCache.Sqlite.Databases;

/// <summary>What has to be done around the close of a database's device, by the source that opened it.</summary>
internal interface IDatabaseHolder
{
    /// <summary>Whether the database's name leads to another file now, or to none.</summary>
    bool HasMoved => false;

    /// <summary>Whether the database's file has no name left: once it is closed, nothing of it is there.</summary>
    bool IsGone => false;

    /// <summary>
    /// Takes the cache's name (and mark) away, where they still are this database's; the cache stays open.
    /// </summary>
    void RemoveCache()
    {
    }

    /// <summary>Called once, before the device is closed with dirty data in the cache.</summary>
    void LeaveDirty()
    {
    }

    /// <summary>
    /// Called once, after the device is closed, which has left region and backing open. Closes them, and removes the
    /// cache if it is no longer needed.
    /// </summary>
    /// <param name="drained">Whether the plain files have everything.</param>
    void Release(bool drained);
}

/// <summary>
/// An open database: its files, its cache, and the locks of its connections. Keeps true: one for each file and
/// registration, shared by all connections; at its close every write is durable, in the cache or, drained, in the
/// plain files. Once its name leads to another file, nothing new is written to it, what it has is in its own files,
/// and its cache isn't in the way of the database that has the name now.
/// </summary>
internal sealed class Database(
    string path, IDatabaseFiles files, PCacheDevice? device, IDatabaseHolder holder, bool isReadOnly, bool drainOnClose,
    CloseDrain? closeDrain = null)
{
    private readonly int[] _opened = new int[FileSlots.Count];

    public string Path { get; } = path;

    public IDatabaseFiles Files { get; } = files;

    /// <summary>What is to be done around its close.</summary>
    public IDatabaseHolder Holder { get; } = holder;

    /// <summary>Null without a cache.</summary>
    public PCacheDevice? Device { get; } = device;

    public bool IsReadOnly { get; } = isReadOnly;

    /// <summary>Whether a connection has the journal, or the WAL, open.</summary>
    public bool IsOpen(FileSlot slot) => Volatile.Read(ref _opened[(int)slot]) > 0;

    /// <summary>Counts what connections have open.</summary>
    public void CountOpened(FileSlot slot, int change) => Interlocked.Add(ref _opened[(int)slot], change);

    public LockTable Locks { get; } = new();

    public SharedMemory SharedMemory { get; } = new();

    /// <summary>
    /// Whether the database's name leads to another file now, or to none: it was deleted, renamed or replaced. Two
    /// system calls.
    /// </summary>
    public bool HasMoved => Holder.HasMoved;

    /// <summary>
    /// For a database that has moved, before another one is opened under its name: brings what it has to its own
    /// files, if they still have a name, and gives up its cache's name.
    /// </summary>
    public void LeaveName()
    {
        if (!IsReadOnly && Device is not null)
        {
            if (!Holder.IsGone)
            {
                Drain();
            }

            Holder.RemoveCache();
        }
    }

    /// <summary>What is said of a database that has moved.</summary>
    public IOException MovedError() => new(
        $"'{SafeText.Of(Path)}' was deleted, renamed or replaced while it was open. Connections that were opened "
        + $"before can read what it was, and not write any more; "
        + "new ones get what is there now.");

    /// <summary>Brings everything to the plain files.</summary>
    public void Drain(IProgress<DrainProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        if (Device is not null && !IsReadOnly)
        {
            try
            {
                Files.Sync(FileSlot.Main);
            }
            catch (PCacheFullException)
            {
                Device.Drain(progress, cancellationToken); // makes room for the table
                Files.Sync(FileSlot.Main);
            }

            Device.Drain(progress, cancellationToken);
        }
    }

    /// <summary>Closes everything, whatever fails; throws the first error at the end.</summary>
    public void Close() => Close(drainOnClose);

    /// <summary>Closes everything, and leaves what is dirty in the cache.</summary>
    public void CloseDirty()
    {
        try
        {
            Close(drains: false);
        }
        catch (IOException)
        {
            // A caller that closes this way already has an error to report.
        }
    }

    private void Close(bool drains)
    {
        Exception? failure = null;
        bool drained = false;
        bool hasMoved = HasMoved;
        if (!IsReadOnly)
        {
            if (hasMoved && Holder.IsGone)
            {
                drained = true; // deleting the file deletes what is in its cache
            }
            else if (Device is null || !(drains || hasMoved))
            {
                Try(() => Files.Sync(FileSlot.Main), ref failure);
            }
            else
            {
                Try(
                    () =>
                    {
                        if (closeDrain is null)
                        {
                            Drain();
                        }
                        else
                        {
                            closeDrain.Run(this);
                        }
                    },
                    ref failure);
                drained = failure is null && Device.GetStatus() is { IsClean: true, IsDegraded: false };
            }
        }

        if (Device is not null)
        {
            if (!drained)
            {
                Holder.LeaveDirty();
            }

            Try(Device.Dispose, ref failure);
        }

        drained &= failure is null;
        Try(() => Holder.Release(drained), ref failure);
        if (failure is not null)
        {
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private static void Try(Action action, ref Exception? failure)
    {
        try
        {
            action();
        }
        catch (Exception e)
        {
            failure ??= e;
        }
    }
}
