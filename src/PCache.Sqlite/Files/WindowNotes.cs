namespace PCache.Sqlite.Files;

/// <summary>
/// What a window of the log does to the files, as it is collected. Keeps true: it follows tables and lengths as the
/// plain files would; what the window has at its last possible end is kept, whatever is noted after that.
/// </summary>
internal sealed class WindowNotes
{
    private readonly List<(long Offset, int Length)> _mainWrites = [];
    private FileTable _now;
    private bool _journalInUse; // it has bytes, or had since the last table
    private int _mainAtEnd;

    /// <summary>The files where the window begins.</summary>
    public FileTable Start { get; private set; }

    /// <summary>The files at its last possible end.</summary>
    public FileTable End { get; private set; }

    /// <summary>Number of the last kset before that end.</summary>
    public uint EndSequence { get; private set; }

    /// <summary>Whether a write-ahead log stands for the pages, so that no rollback journal has to.</summary>
    public bool HasWal => Start.Wal.Length > 0;

    /// <summary>Whether the window writes pages of the database.</summary>
    public bool WritesMain => _mainAtEnd > 0;

    public void Begin(FileTable start)
    {
        _mainWrites.Clear();
        (_mainAtEnd, _journalInUse) = (0, false);
        Start = End = _now = start;
    }

    /// <summary>False: no window may have such a table.</summary>
    public bool TryTable(FileTable table)
    {
        bool walFits = HasWal
            ? VirtualLayout.RoundUp(table.Wal.Length) >= VirtualLayout.RoundUp(_now.Wal.Length)
                && table.Journal.Length == 0
            : table.Wal.Length == 0;
        _journalInUse = table.Journal.Length > 0;
        _now = table;
        return walFits && table.Main.Exists;
    }

    /// <summary>False: no window may have such a write.</summary>
    public bool TryWrite(FileSlot slot, long offset, int length)
    {
        if (slot == FileSlot.Journal)
        {
            _journalInUse = true;
            return !HasWal;
        }

        if (slot == FileSlot.Wal)
        {
            // Its first bytes begin it anew: only after all pages, and before all other frames.
            Grow(slot, offset + length);
            return HasWal && offset > 0;
        }

        _mainWrites.Add((offset, length));
        Grow(slot, offset + length);
        return true;
    }

    /// <summary>Whether the window may end here: at a commit, with no journal.</summary>
    public bool MayEnd(uint sequence, WindowDefect defect)
    {
        if (_journalInUse && defect != WindowDefect.EndsWithJournal)
        {
            return false;
        }

        End = _now;
        EndSequence = sequence;
        _mainAtEnd = _mainWrites.Count;
        return true;
    }

    /// <summary>The pages that are there and change, or are cut off: from 0, in order.</summary>
    public List<long> ChangedPages(int pageSize)
    {
        long count = Start.Main.Length / pageSize;
        var pages = new SortedSet<long>();
        foreach ((long offset, int length) in _mainWrites.Take(_mainAtEnd))
        {
            for (long page = offset / pageSize; page < count && page * pageSize < offset + length; page++)
            {
                pages.Add(page);
            }
        }

        for (long page = End.Main.Length / pageSize; page < count; page++)
        {
            pages.Add(page);
        }

        return [.. pages];
    }

    private void Grow(FileSlot slot, long length) =>
        _now = _now.With(slot, new FileState(true, Math.Max(length, _now[slot].Length)));
}

/// <summary>Mistakes that tests make on purpose.</summary>
internal enum WindowDefect
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Pages are written before the journal is durable.</summary>
    JournalNotFlushed = 1,

    /// <summary>A window ends where a journal stands.</summary>
    EndsWithJournal = 2,

    /// <summary>There is no journal.</summary>
    NoJournal = 3,
}
