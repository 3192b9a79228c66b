using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PCache.Sqlite.Native;

/// <summary>The WAL index among the connections of the process. Keeps true: no exception leaves a callback.</summary>
internal static unsafe class ShmCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Map(NativeFile* file, int region, int regionBytes, int extend, void** address)
    {
        OpenFile opened = FileCallbacks.Of(file);
        try
        {
            *address = (void*)opened.Database.SharedMemory.Map(opened.SharedMemory, region, regionBytes, extend != 0);
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("map", e, SqliteCode.IoErrorShmMap);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Lock(NativeFile* file, int first, int count, int flags)
    {
        OpenFile opened = FileCallbacks.Of(file);
        try
        {
            if ((flags & SqliteCode.ShmUnlock) != 0)
            {
                opened.Database.SharedMemory.Unlock(opened.SharedMemory, first, count);
                return SqliteCode.Ok;
            }

            bool exclusive = (flags & SqliteCode.ShmExclusive) != 0;
            if (exclusive && first == SqliteCode.WalWriteLock && opened.Database.HasMoved)
            {
                return opened.RefuseMoved(); // SQLite itself doesn't ask in WAL mode
            }

            return opened.Database.SharedMemory.TryLock(opened.SharedMemory, first, count, exclusive)
                ? SqliteCode.Ok
                : SqliteCode.Busy;
        }
        catch (Exception e)
        {
            return opened.Fail("lock", e, SqliteCode.IoErrorLock);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void Barrier(NativeFile* file) => Interlocked.MemoryBarrier();

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Unmap(NativeFile* file, int delete)
    {
        OpenFile opened = FileCallbacks.Of(file);
        try
        {
            opened.Database.SharedMemory.Unmap(opened.SharedMemory);
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("unmap", e, SqliteCode.IoError);
        }
    }
}
