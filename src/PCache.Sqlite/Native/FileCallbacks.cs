using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PCache.Sqlite.Locks;

namespace PCache.Sqlite.Native;

/// <summary>
/// What SQLite asks of an open file. Keeps true: no exception leaves a callback; a short read is filled up with zeros
/// and said to be one; of the storage only what is true is claimed: sectors of 512 bytes are written whole or not at
/// all, and a write harms no other bytes; batches are written whole where <see cref="AtomicCommits"/> is asked for.
/// </summary>
internal static unsafe class FileCallbacks
{
    private const int SectorBytes = 512;

    /// <summary>The methods of every file; in memory that is never freed.</summary>
    public static readonly NativeMethods* Methods = MakeMethods();

    /// <summary>The file behind SQLite's structure.</summary>
    public static OpenFile Of(NativeFile* file) => (OpenFile)GCHandle.FromIntPtr(file->Handle).Target!;

    private static NativeMethods* MakeMethods()
    {
        var methods = (NativeMethods*)NativeMemory.AllocZeroed((nuint)sizeof(NativeMethods));
        *methods = new NativeMethods
        {
            Version = 2,
            Close = &Close,
            Read = &Read,
            Write = &Write,
            Truncate = &Truncate,
            Sync = &Sync,
            FileSize = &FileSize,
            Lock = &Lock,
            Unlock = &Unlock,
            CheckReservedLock = &CheckReservedLock,
            FileControl = &ControlCallbacks.FileControl,
            SectorSize = &SectorSize,
            DeviceCharacteristics = &DeviceCharacteristics,
            ShmMap = &ShmCallbacks.Map,
            ShmLock = &ShmCallbacks.Lock,
            ShmBarrier = &ShmCallbacks.Barrier,
            ShmUnmap = &ShmCallbacks.Unmap,
        };
        return methods;
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Close(NativeFile* file)
    {
        OpenFile opened = Of(file);
        try
        {
            GCHandle.FromIntPtr(file->Handle).Free();
            file->Handle = 0;
            file->Methods = null;
            opened.Close();
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("close", e, SqliteCode.IoErrorClose);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Read(NativeFile* file, byte* buffer, int lengthBytes, long offset)
    {
        OpenFile opened = Of(file);
        try
        {
            var span = new Span<byte>(buffer, lengthBytes);
            int read = opened.Read(offset, span);
            if (read == lengthBytes)
            {
                return SqliteCode.Ok;
            }

            span[read..].Clear();
            return SqliteCode.IoErrorShortRead;
        }
        catch (Exception e)
        {
            return opened.Fail("read", e, SqliteCode.IoErrorRead);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Write(NativeFile* file, byte* buffer, int lengthBytes, long offset)
    {
        OpenFile opened = Of(file);
        try
        {
            if (opened.IsReadOnly)
            {
                return SqliteCode.ReadOnly;
            }

            opened.Write(offset, new ReadOnlySpan<byte>(buffer, lengthBytes));
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("write", e, SqliteCode.IoErrorWrite);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Truncate(NativeFile* file, long lengthBytes)
    {
        OpenFile opened = Of(file);
        try
        {
            if (opened.IsReadOnly)
            {
                return SqliteCode.ReadOnly;
            }

            opened.SetLength(lengthBytes);
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("truncate", e, SqliteCode.IoErrorTruncate);
        }
    }

    /// <summary>The flags (data only, full) make no difference: length and content are always synchronised.</summary>
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Sync(NativeFile* file, int flags)
    {
        OpenFile opened = Of(file);
        try
        {
            if (!opened.IsReadOnly)
            {
                opened.Sync();
            }

            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("sync", e, SqliteCode.IoErrorFsync);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int FileSize(NativeFile* file, long* lengthBytes)
    {
        OpenFile opened = Of(file);
        try
        {
            *lengthBytes = opened.Length;
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("length", e, SqliteCode.IoErrorFstat);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Lock(NativeFile* file, int level)
    {
        OpenFile opened = Of(file);
        try
        {
            if (level >= (int)LockLevel.Reserved && opened.Holder.Level < LockLevel.Reserved
                && opened.Database.HasMoved)
            {
                // before a transaction begins to write: afterwards it couldn't be told any more
                return opened.RefuseMoved();
            }

            return opened.Database.Locks.TryLock(opened.Holder, (LockLevel)level) ? SqliteCode.Ok : SqliteCode.Busy;
        }
        catch (Exception e)
        {
            return opened.Fail("lock", e, SqliteCode.IoErrorLock);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Unlock(NativeFile* file, int level)
    {
        OpenFile opened = Of(file);
        try
        {
            opened.Unlock((LockLevel)level);
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("unlock", e, SqliteCode.IoErrorUnlock);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int CheckReservedLock(NativeFile* file, int* result)
    {
        OpenFile opened = Of(file);
        try
        {
            *result = opened.Database.Locks.IsReserved ? 1 : 0;
            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            return opened.Fail("lock", e, SqliteCode.IoErrorLock);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int SectorSize(NativeFile* file) => SectorBytes;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int DeviceCharacteristics(NativeFile* file) =>
        SqliteCode.CapabilityAtomic512 | SqliteCode.CapabilityPowersafeOverwrite
            | (Of(file).Files.IsSequential ? SqliteCode.CapabilitySequential : 0)
            | (Of(file).Atomic is null ? 0 : SqliteCode.CapabilityBatchAtomic);
}
