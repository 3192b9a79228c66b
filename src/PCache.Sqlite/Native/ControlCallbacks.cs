using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace PCache.Sqlite.Native;

/// <summary>
/// xFileControl. Keeps true: what isn't known here is SQLITE_NOTFOUND, so that SQLite does what it does without.
/// </summary>
internal static unsafe class ControlCallbacks
{
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int FileControl(NativeFile* file, int operation, void* argument)
    {
        OpenFile opened = FileCallbacks.Of(file);
        try
        {
            switch (operation)
            {
                case SqliteCode.ControlLockState:
                    *(int*)argument = (int)opened.Holder.Level;
                    return SqliteCode.Ok;
                case SqliteCode.ControlLastErrno:
                case SqliteCode.ControlExternalReader:
                    *(int*)argument = 0; // no other process can be there
                    return SqliteCode.Ok;
                case SqliteCode.ControlHasMoved:
                    *(int*)argument = opened.Database.HasMoved ? 1 : 0;
                    return SqliteCode.Ok;
                case SqliteCode.ControlSizeHint:
                case SqliteCode.ControlChunkSize:
                    return SqliteCode.Ok;
                case SqliteCode.ControlSync:
                    opened.Atomic?.OnAllWritten();
                    return SqliteCode.Ok;
                case SqliteCode.ControlCommitPhaseTwo when opened.Atomic is { } atomic:
                    atomic.OnCommitted();
                    return SqliteCode.Ok;
                case SqliteCode.ControlBeginAtomicWrite when opened.Atomic is { } atomic:
                    return atomic.TryBeginAskedFor() ? SqliteCode.Ok : SqliteCode.IoError; // then with a journal
                case SqliteCode.ControlCommitAtomicWrite when opened.Atomic is { } atomic:
                    return atomic.TryCommitAskedFor() ? SqliteCode.Ok : SqliteCode.IoError;
                case SqliteCode.ControlRollbackAtomicWrite when opened.Atomic is { } atomic:
                    atomic.DropAskedFor();
                    return SqliteCode.Ok;
                case SqliteCode.ControlPersistWal:
                    if (*(int*)argument >= 0)
                    {
                        opened.KeepsWal = *(int*)argument != 0;
                    }

                    *(int*)argument = opened.KeepsWal ? 1 : 0;
                    return SqliteCode.Ok;
                case SqliteCode.ControlPowersafeOverwrite:
                    *(int*)argument = 1;
                    return SqliteCode.Ok;
                case SqliteCode.ControlVfsName:
                    *(byte**)argument = opened.Vfs.CopyName();
                    return SqliteCode.Ok;
                default:
                    return SqliteCode.NotFound;
            }
        }
        catch (Exception e)
        {
            return opened.Fail("control", e, SqliteCode.IoError);
        }
    }
}
