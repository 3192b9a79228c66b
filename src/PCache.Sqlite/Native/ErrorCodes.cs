using PCache.Core;

namespace PCache.Sqlite.Native;

/// <summary>
/// What SQLite is told when something was thrown. Keeps true: every exception has a code that isn't OK; a full cache
/// or disk is SQLITE_FULL, a cache in use SQLITE_BUSY.
/// </summary>
internal static class ErrorCodes
{
    private const int UnixNoSpace = 28;
    private const int WindowsDiskFull = unchecked((int)0x80070070);
    private const int WindowsHandleDiskFull = unchecked((int)0x80070027);

    /// <param name="exception">What was thrown.</param>
    /// <param name="otherwise">The code of the operation, for errors that have none of their own.</param>
    public static int Of(Exception exception, int otherwise) => exception switch
    {
        PCacheFullException => SqliteCode.Full,
        PCacheInUseException => SqliteCode.Busy,
        PCacheCorruptionException => otherwise == SqliteCode.CantOpen ? otherwise : SqliteCode.IoErrorCorruptFs,
        OutOfMemoryException => otherwise == SqliteCode.CantOpen ? SqliteCode.NoMemory : SqliteCode.IoErrorNoMemory,
        IOException { HResult: UnixNoSpace } when !OperatingSystem.IsWindows() => SqliteCode.Full,
        IOException { HResult: WindowsDiskFull or WindowsHandleDiskFull } => SqliteCode.Full,
        _ => otherwise,
    };
}
