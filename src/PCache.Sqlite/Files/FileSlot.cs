namespace PCache.Sqlite.Files;

/// <summary>The files of a database that go through its cache.</summary>
internal enum FileSlot
{
    /// <summary>The database.</summary>
    Main = 0,

    /// <summary>The rollback journal, "-journal".</summary>
    Journal = 1,

    /// <summary>The write-ahead log, "-wal".</summary>
    Wal = 2,
}

/// <summary>Names of the files. Keeps true: as SQLite names them.</summary>
internal static class FileSlots
{
    public const int Count = 3;

    public static string Suffix(FileSlot slot) => slot switch
    {
        FileSlot.Journal => "-journal",
        FileSlot.Wal => "-wal",
        _ => "",
    };

    /// <summary>
    /// Splits the path of a journal or WAL into the path of its database and the slot; false for any other path.
    /// </summary>
    public static bool TrySplit(string path, out string database, out FileSlot slot)
    {
        foreach (FileSlot candidate in new[] { FileSlot.Journal, FileSlot.Wal })
        {
            string suffix = Suffix(candidate);
            if (path.Length > suffix.Length && path.EndsWith(suffix, StringComparison.Ordinal))
            {
                (database, slot) = (path[..^suffix.Length], candidate);
                return true;
            }
        }

        (database, slot) = (path, FileSlot.Main);
        return false;
    }

    /// <summary>
    /// Whether a path is one that SQLite gives to super-journals: "-mj", six hexadecimal digits, a nine, two more
    /// digits.
    /// </summary>
    public static bool IsSuperJournal(string path)
    {
        const int TailLength = 12;
        if (path.Length <= TailLength || !path.AsSpan(path.Length - TailLength).StartsWith("-mj") || path[^3] != '9')
        {
            return false;
        }

        foreach (char digit in path.AsSpan(path.Length - TailLength + 3))
        {
            if (!char.IsAsciiHexDigit(digit))
            {
                return false;
            }
        }

        return true;
    }
}
