namespace PCache.Sqlite.Files;

// What a range of the device means for the files. Keeps true: data goes on under the shared side of the lock; names
// and lengths change alone; nothing is changed unnoticed by the next flush.
internal sealed partial class CompositeBacking
{
    /// <summary>Up to the end of the table's sector, of its range, or of a file's range.</summary>
    private int ReadPart(long offset, Span<byte> buffer)
    {
        if (offset < FileTable.LengthBytes)
        {
            Span<byte> sector = stackalloc byte[FileTable.LengthBytes];
            ReadTable(sector);
            int length = Math.Min(buffer.Length, FileTable.LengthBytes - (int)offset);
            sector.Slice((int)offset, length).CopyTo(buffer);
            return length;
        }

        Span<byte> part = buffer[..(int)Math.Min(buffer.Length, EndOfRange(offset) - offset)];
        int read = 0;
        if (offset >= VirtualLayout.MaxFileBytes)
        {
            FileSlot slot = VirtualLayout.SlotOf(offset);
            _shape.EnterReadLock();
            try
            {
                read = store.Read(slot, offset - VirtualLayout.Base(slot), part);
            }
            finally
            {
                _shape.ExitReadLock();
            }
        }

        part[read..].Clear();
        return part.Length;
    }

    private void ReadTable(Span<byte> sector)
    {
        _shape.EnterReadLock();
        try
        {
            FileTable table = Present();
            if (_underWay || HidesJournal)
            {
                table = table with { Journal = FileState.Missing }; // that of a window, not the database's own
            }

            table.Encode(sector);
            for (int i = 0; i < FileSlots.Count; i++)
            {
                int length = (int)Math.Min(FileTable.HeadBytes, table[(FileSlot)i].Length);
                _ = store.Read((FileSlot)i, 0, sector.Slice(FileTable.HeadsOffset + (i * FileTable.HeadBytes), length));
            }
        }
        finally
        {
            _shape.ExitReadLock();
        }
    }

    private FileTable Present()
    {
        var table = default(FileTable);
        for (int i = 0; i < FileSlots.Count; i++)
        {
            var slot = (FileSlot)i;
            table = table.With(
                slot, store.Exists(slot) ? new FileState(true, store.GetLength(slot)) : FileState.Missing);
        }

        return table;
    }

    private int WritePart(long offset, ReadOnlySpan<byte> buffer)
    {
        if (offset < VirtualLayout.MaxFileBytes)
        {
            if (offset != 0 || buffer.Length != FileTable.LengthBytes)
            {
                throw new IOException($"{buffer.Length} bytes at {offset} are no file table.");
            }

            if (!_underWay)
            {
                Apply(FileTable.Decode(buffer));
            }

            return buffer.Length;
        }

        FileSlot slot = VirtualLayout.SlotOf(offset);
        int length = (int)Math.Min(buffer.Length, EndOfRange(offset) - offset);
        if (_underWay && slot != _passOf)
        {
            return length;
        }

        Keeper?.BeforeWrite(slot, offset - VirtualLayout.Base(slot), buffer[..length]);
        EnsureExists(slot);
        _shape.EnterReadLock();
        try
        {
            Volatile.Write(ref _unsynced[(int)slot], true);
            store.Write(slot, offset - VirtualLayout.Base(slot), buffer[..length]);
        }
        finally
        {
            _shape.ExitReadLock();
        }

        return length;
    }

    /// <summary>Makes the files be what the table says.</summary>
    private void Apply(FileTable table)
    {
        _shape.EnterWriteLock();
        try
        {
            ApplyAlone(table);
        }
        finally
        {
            _shape.ExitWriteLock();
        }
    }

    private void ApplyAlone(FileTable table)
    {
        Keeper?.BeforeTable(table);
        for (int i = 0; i < FileSlots.Count; i++)
        {
            var slot = (FileSlot)i;
            FileState wanted = table[slot];
            bool exists = store.Exists(slot);
            if (!wanted.Exists)
            {
                if (exists)
                {
                    _namesUnsynced = true;
                    _unsynced[i] = false;
                    _trimmed[i] = false;
                    store.Delete(slot);
                }

                continue;
            }

            if (!exists)
            {
                _namesUnsynced = true;
                store.Create(slot);
            }

            long length = store.GetLength(slot);
            if (length != wanted.Length)
            {
                // The rest of the last sector is zeros that came with the data: that they come back is no harm,
                // so this alone isn't worth a synchronisation.
                bool onlyZeros = length == VirtualLayout.RoundUp(wanted.Length);
                _unsynced[i] |= !onlyZeros;
                _trimmed[i] |= onlyZeros;
                store.SetLength(slot, wanted.Length);
            }
        }
    }

    private void EnsureExists(FileSlot slot)
    {
        _shape.EnterWriteLock();
        try
        {
            if (!store.Exists(slot))
            {
                _namesUnsynced = true;
                store.Create(slot);
            }
        }
        finally
        {
            _shape.ExitWriteLock();
        }
    }
}
