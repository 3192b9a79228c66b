namespace PCache.Sqlite.Files;

/// <summary>Permissions of the files beside a database. Keeps true: who may not read or write the database may not read or write them, as SQLite does it with its journals.</summary>
internal static class FileModes
{
    private const UnixFileMode Permissions = (UnixFileMode)0b110_110_110;
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Gives a new file, empty as yet, the permissions of a database. Does nothing on Windows, where a folder's permissions are inherited.</summary>
    public static void Copy(string databasePath, string newPath)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(newPath, (File.GetUnixFileMode(databasePath) & Permissions) | Own);
        }
    }
}
