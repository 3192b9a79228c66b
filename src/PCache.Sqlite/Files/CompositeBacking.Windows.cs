using PCache.Core;

namespace PCache.Sqlite.Files;

// Windows: many commits in one step, by SQLite's own rules.
// Keeps true: a window begins and ends where the database has no rollback journal; while one is under way, a rollback
// journal of its own takes it back, or the write-ahead log has all of its pages, durably, before the first of them is
// written. One that failed is taken back before anything else, and no flush finishes it: its journal stays until then.
// Which journals the database itself had in between never reaches the storage. Where a window that was begun
// ends is known durably before its first write: after a crash no other one ends before that.
internal sealed partial class CompositeBacking
{
    private readonly WindowNotes _notes = new();
    private volatile bool _underWay;
    private volatile bool _failed; // under way, and not to be finished: it has to be taken back
    private bool _hasOwnJournal;
    private FileSlot _passOf;
    private uint _redoTo;
    private int _pageSize;

    /// <summary>Whether many commits go to the files in one step. Needs a <see cref="Keeper"/>.</summary>
    public bool TakesWindows { get; set; }

    /// <summary>Hides a journal that is a window's, for a reader that can't take it back.</summary>
    public bool HidesJournal { get; set; }

    /// <summary>From the record: where the window ends that may have been under way; 0: there was none.</summary>
    public uint RedoTo
    {
        get => _redoTo;
        set => _redoTo = value;
    }

    /// <summary>Whether a window was begun and isn't finished.</summary>
    public bool IsUnderWay => _underWay;

    /// <summary>Windows begun so far.</summary>
    public int Windows { get; private set; }

    /// <summary>A mistake that tests make on purpose.</summary>
    public WindowDefect Defect { get; set; }

    bool IWindowBacking.TryCollect()
    {
        if (_underWay)
        {
            TakeBack();
        }

        if (!TakesWindows || Keeper is null)
        {
            return false;
        }

        FileTable now = Present();
        _pageSize = WindowJournal.PageSizeOf(store);
        if (now.Journal.Length > 0 || _pageSize == 0)
        {
            return false;
        }

        _notes.Begin(now);
        return true;
    }

    bool IWindowBacking.TryNote(long offset, ReadOnlySpan<byte> payload)
    {
        if (offset >= VirtualLayout.MaxFileBytes)
        {
            FileSlot slot = VirtualLayout.SlotOf(offset);
            return _notes.TryWrite(slot, offset - VirtualLayout.Base(slot), payload.Length);
        }

        return offset == 0 && payload.Length == FileTable.LengthBytes && _notes.TryTable(FileTable.Decode(payload));
    }

    bool IWindowBacking.MayEnd(uint lastSequence) =>
        (_redoTo == 0 || (int)(lastSequence - _redoTo) >= 0)
            && _notes.MayEnd(lastSequence, Defect);

    void IWindowBacking.Begin()
    {
        _redoTo = _notes.EndSequence;
        _hasOwnJournal = !_notes.HasWal && (_notes.WritesMain || _notes.End.Main != _notes.Start.Main)
            && Defect != WindowDefect.NoJournal;
        List<long> pages = _hasOwnJournal ? _notes.ChangedPages(_pageSize) : [];
        Keeper!.BeforeWindow(_redoTo, _hasOwnJournal ? WindowJournal.LengthOf(pages.Count, _pageSize) : 0);
        _passOf = _notes.HasWal ? FileSlot.Wal : FileSlot.Main;
        _underWay = true;
        Windows++;
        if (_hasOwnJournal)
        {
            WindowJournal.Write(store, pages, _pageSize, Defect);
        }
    }

    bool IWindowBacking.NextPass()
    {
        if (_passOf != FileSlot.Wal || !_notes.WritesMain)
        {
            return false;
        }

        _shape.EnterWriteLock();
        try
        {
            // its length first: nothing of it changes after this synchronisation
            ApplyAlone(Present() with { Wal = _notes.End.Wal });
            SyncWhole(FileSlot.Wal);
        }
        finally
        {
            _shape.ExitWriteLock();
        }

        _passOf = FileSlot.Main;
        return true;
    }

    void IWindowBacking.Abandon()
    {
        _failed = _underWay;
        try
        {
            TakeBack();
        }
        catch (IOException)
        {
            // What made it fail is reported; the next step, or the next open, takes it back.
        }
    }

    /// <summary>All of it is written. Alone.</summary>
    private void FinishWindow()
    {
        if (_hasOwnJournal)
        {
            ApplyAlone(_notes.End with { Journal = Present().Journal }); // pages first, the journal goes last
            SyncWhole(FileSlot.Main);
        }

        ApplyAlone(_notes.End);
    }

    private void SyncWhole(FileSlot slot)
    {
        if (_unsynced[(int)slot] || _trimmed[(int)slot])
        {
            store.Sync(slot);
            _unsynced[(int)slot] = _trimmed[(int)slot] = false;
        }
    }

    private void TakeBack()
    {
        _shape.EnterWriteLock();
        try
        {
            if (_hasOwnJournal)
            {
                WindowJournal.TakeBack(store);
            }

            SyncAll();
            Keeper?.Settle(_trimmed);
            _underWay = _failed = false;
        }
        finally
        {
            _shape.ExitWriteLock();
        }
    }
}
