using System.Runtime.InteropServices;

namespace PCache.Sqlite.Files;

/// <summary>
/// Makes the names in a folder durable, which .NET has no call for. Keeps true: a folder that can't be opened or
/// synchronised at all is passed over, an I/O error is thrown.
/// </summary>
internal static partial class UnixFolder
{
    private const int ErrorInvalid = 22;

    /// <summary>Does nothing on Windows, whose file systems order names themselves.</summary>
    /// <exception cref="IOException">The folder's file system failed.</exception>
    public static void Sync(string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        int descriptor = Open(folder, 0);
        if (descriptor < 0)
        {
            return;
        }

        try
        {
            if (SyncFile(descriptor) != 0 && Marshal.GetLastPInvokeError() is int error && error != ErrorInvalid)
            {
                throw new IOException(
                    $"The folder '{folder}' can't be synchronised: {Marshal.GetPInvokeErrorMessage(error)}.", error);
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flagsNone);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int SyncFile(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int descriptor);
}
