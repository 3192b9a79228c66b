using System.Runtime.ExceptionServices;
using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Locks;

namespace PCache.Sqlite.Databases;

/// <summary>What has to be done around the close of a database's device, by the source that opened it.</summary>
internal interface IDatabaseHolder
{
    /// <summary>Called once, before the device is closed with dirty data in the cache.</summary>
    void LeaveDirty()
    {
    }

    /// <summary>Called once, after the device is closed, which has left region and backing open. Closes them, and removes the cache if it is no longer needed.</summary>
    /// <param name="drained">Whether the plain files have everything.</param>
    void Release(bool drained);
}

/// <summary>
/// An open database: its files, its cache, and the locks of its connections. Keeps true: one for each path and registration, shared by all connections; at its close every
/// write is durable, in the cache or, drained, in the plain files.
/// </summary>
internal sealed class Database(string path, IDatabaseFiles files, PCacheDevice? device, IDatabaseHolder holder, bool isReadOnly, bool drainOnClose)
{
    public string Path { get; } = path;

    public IDatabaseFiles Files { get; } = files;

    /// <summary>Null without a cache.</summary>
    public PCacheDevice? Device { get; } = device;

    public bool IsReadOnly { get; } = isReadOnly;

    public LockTable Locks { get; } = new();

    public SharedMemory SharedMemory { get; } = new();

    /// <summary>Brings everything to the plain files.</summary>
    public void Drain(CancellationToken cancellationToken = default)
    {
        if (Device is not null && !IsReadOnly)
        {
            try
            {
                Files.Sync(FileSlot.Main);
            }
            catch (PCacheFullException)
            {
                Device.Drain(null, cancellationToken); // makes room for the table
                Files.Sync(FileSlot.Main);
            }

            Device.Drain(null, cancellationToken);
        }
    }

    /// <summary>Closes everything, whatever fails; throws the first error at the end.</summary>
    public void Close()
    {
        Exception? failure = null;
        bool drained = false;
        if (!IsReadOnly)
        {
            if (Device is null || !drainOnClose)
            {
                Try(() => Files.Sync(FileSlot.Main), ref failure);
            }
            else
            {
                Try(() => Drain(), ref failure);
                drained = failure is null && Device.GetStatus() is { IsClean: true, IsDegraded: false };
            }
        }

        if (Device is not null)
        {
            if (!drained)
            {
                holder.LeaveDirty();
            }

            Try(Device.Dispose, ref failure);
        }

        drained &= failure is null;
        Try(() => holder.Release(drained), ref failure);
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
