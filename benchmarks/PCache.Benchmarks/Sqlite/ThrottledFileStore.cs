// Keeps true: content is that of the store behind; every read, write, change of a name or length, and every
// synchronisation takes at least its time, each call by itself.
using System.Diagnostics;
using PCache.Sqlite.Files;

namespace PCache.Benchmarks.Sqlite;

/// <summary>Plain files made slow, like those of a disk far away.</summary>
internal sealed class ThrottledFileStore(IFileStore inner, TimeSpan perCall, TimeSpan perSync) : IFileStore
{
    public bool Exists(FileSlot slot) => inner.Exists(slot);

    public long GetLength(FileSlot slot) => inner.GetLength(slot);

    public int Read(FileSlot slot, long offset, Span<byte> buffer)
    {
        Wait(perCall);
        return inner.Read(slot, offset, buffer);
    }

    public void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer)
    {
        Wait(perCall);
        inner.Write(slot, offset, buffer);
    }

    public void Create(FileSlot slot)
    {
        Wait(perCall);
        inner.Create(slot);
    }

    public void Delete(FileSlot slot)
    {
        Wait(perCall);
        inner.Delete(slot);
    }

    public void SetLength(FileSlot slot, long lengthBytes)
    {
        Wait(perCall);
        inner.SetLength(slot, lengthBytes);
    }

    public void Sync(FileSlot slot) => Wait(perSync);

    public void SyncNames() => Wait(perSync);

    public FileStamp Stamp(FileSlot slot) => inner.Stamp(slot);

    public void Dispose() => inner.Dispose();

    private static void Wait(TimeSpan time)
    {
        long begun = Stopwatch.GetTimestamp();
        Thread.Sleep(time - TimeSpan.FromMilliseconds(0.2) > TimeSpan.Zero ? time - TimeSpan.FromMilliseconds(0.2)
            : TimeSpan.Zero);
        while (Stopwatch.GetElapsedTime(begun) < time)
        {
            Thread.SpinWait(20);
        }
    }
}
