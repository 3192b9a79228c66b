using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PCache.Sqlite.Databases;
using PCache.Sqlite.Files;

namespace PCache.Sqlite.Native;

/// <summary>
/// What SQLite asks of the VFS itself: to open, delete and look for files.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>No exception leaves a callback: each is noted and becomes an error code. A failed open leaves no methods
/// behind, so SQLite won't close it.</item>
/// <item>A journal or WAL whose database has a cache is that cache's, whichever connection asks for it, also where
/// the database isn't open. Everything else is the default VFS's.</item>
/// <item>A super-journal is deleted, which commits or ends a transaction of several databases, only when all open
/// databases are drained: the plain files of each then hold everything that refers to it, and lose nothing if their
/// cache is lost.</item>
/// </list>
/// </remarks>
internal static unsafe class VfsCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Open(NativeVfs* self, byte* name, NativeFile* file, int flags, int* outFlags)
    {
        file->Methods = null;
        RegisteredVfs? vfs = null;
        string path = "";
        try
        {
            vfs = RegisteredVfs.Of(self);
            if (name is null)
            {
                return vfs.Default.Open(name, file, flags, outFlags);
            }

            path = PathOf(name);
            OpenFile? opened =
                (flags & SqliteCode.OpenMainDb) != 0 ? OpenMain(vfs, path, flags) : OpenOther(vfs, path, flags);
            if (opened is null)
            {
                return vfs.Default.Open(name, file, flags, outFlags);
            }

            file->Handle = GCHandle.ToIntPtr(GCHandle.Alloc(opened));
            file->Methods = FileCallbacks.Methods;
            if (outFlags is not null)
            {
                const int Access = SqliteCode.OpenReadOnly | SqliteCode.OpenReadWrite | SqliteCode.OpenCreate;
                *outFlags = (flags & ~Access)
                    | (opened.IsReadOnly ? SqliteCode.OpenReadOnly : flags & Access & ~SqliteCode.OpenReadOnly);
            }

            return SqliteCode.Ok;
        }
        catch (Exception e)
        {
            if (!IsProbe(e, path, flags))
            {
                vfs?.Errors.Add(path, "open", e);
            }

            return ErrorCodes.Of(e, SqliteCode.CantOpen);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Delete(NativeVfs* self, byte* name, int syncFolder)
    {
        RegisteredVfs? vfs = null;
        string path = "";
        try
        {
            vfs = RegisteredVfs.Of(self);
            path = PathOf(name);
            if (FileSlots.TrySplit(path, out string database, out FileSlot slot))
            {
                using DatabaseLease? lease = vfs.Catalog.TryLeaseCached(database);
                if (lease is not null)
                {
                    if (!lease.Database.Files.Exists(slot))
                    {
                        return SqliteCode.IoErrorDeleteNoEntry;
                    }

                    lease.Database.Files.Delete(slot);
                    return SqliteCode.Ok;
                }
            }
            else if (FileSlots.IsSuperJournal(path))
            {
                DrainAll(vfs);
                return vfs.Default.Delete(name, 1);
            }

            return vfs.Default.Delete(name, syncFolder);
        }
        catch (Exception e)
        {
            vfs?.Errors.Add(path, "delete", e);
            return ErrorCodes.Of(e, SqliteCode.IoErrorDelete);
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int Access(NativeVfs* self, byte* name, int flags, int* result)
    {
        RegisteredVfs? vfs = null;
        string path = "";
        try
        {
            vfs = RegisteredVfs.Of(self);
            path = PathOf(name);
            if (FileSlots.TrySplit(path, out string database, out FileSlot slot))
            {
                using DatabaseLease? lease = vfs.Catalog.TryLeaseCached(database);
                if (lease is not null)
                {
                    // As with SQLite's own VFS, an empty file counts as none where its mere existence is asked for.
                    *result = lease.Database.Files.Exists(slot)
                        && (flags != SqliteCode.AccessExists || lease.Database.Files.GetLength(slot) > 0)
                        ? 1
                        : 0;
                    return SqliteCode.Ok;
                }
            }

            return vfs.Default.Access(name, flags, result);
        }
        catch (Exception e)
        {
            vfs?.Errors.Add(path, "access", e);
            return ErrorCodes.Of(e, SqliteCode.IoErrorAccess);
        }
    }

    /// <summary>
    /// Whether an open failed only because there is no such database, and none was to be made: that is how programs
    /// ask whether there is one, and no error.
    /// </summary>
    private static bool IsProbe(Exception e, string path, int flags) =>
        e is FileNotFoundException or DirectoryNotFoundException
            && (flags & (SqliteCode.OpenMainDb | SqliteCode.OpenCreate)) == SqliteCode.OpenMainDb && !File.Exists(path);

    private static string PathOf(byte* name) => Marshal.PtrToStringUTF8((nint)name) ?? "";

    /// <summary>Null: the default VFS opens it, since nothing may be written there and nothing is cached.</summary>
    private static OpenFile? OpenMain(RegisteredVfs vfs, string path, int flags)
    {
        bool wantsReadOnly = (flags & SqliteCode.OpenReadOnly) != 0;
        DatabaseLease lease;
        try
        {
            lease = vfs.Catalog.Lease(path,
                (flags & SqliteCode.OpenCreate) != 0 && !wantsReadOnly ? DatabaseMode.Create : DatabaseMode.Existing);
        }
        catch (UnauthorizedAccessException)
        {
            if (!vfs.Catalog.HasCache(path))
            {
                return null;
            }

            lease = vfs.Catalog.Lease(path, DatabaseMode.ReadOnly);
        }

        try
        {
            if (!lease.Database.IsReadOnly)
            {
                lease.Database.Files.Create(FileSlot.Main);
            }

            return new OpenFile(vfs, lease, FileSlot.Main, wantsReadOnly || lease.Database.IsReadOnly);
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    /// <summary>Null: it belongs to no cache.</summary>
    private static OpenFile? OpenOther(RegisteredVfs vfs, string path, int flags)
    {
        if (!FileSlots.TrySplit(path, out string database, out FileSlot slot)
            || vfs.Catalog.TryLeaseCached(database) is not { } lease)
        {
            return null;
        }

        try
        {
            if (!lease.Database.Files.Exists(slot))
            {
                if ((flags & SqliteCode.OpenCreate) == 0)
                {
                    throw new FileNotFoundException($"There is no '{path}'.", path);
                }

                lease.Database.Files.Create(slot);
            }

            bool isReadOnly = (flags & SqliteCode.OpenReadOnly) != 0 || lease.Database.IsReadOnly;
            return new OpenFile(vfs, lease, slot, isReadOnly)
            {
                DeletesOnClose = (flags & SqliteCode.OpenDeleteOnClose) != 0,
            };
        }
        catch
        {
            lease.Dispose();
            throw;
        }
    }

    private static void DrainAll(RegisteredVfs vfs)
    {
        foreach (string path in vfs.Catalog.OpenPaths())
        {
            using DatabaseLease? lease = vfs.Catalog.TryLease(path);
            lease?.Database.Drain();
        }
    }
}
