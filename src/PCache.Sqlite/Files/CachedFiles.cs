using System.Buffers;
using PCache.Core;

namespace PCache.Sqlite.Files;

/// <summary>
/// The files of a database on their cache: three ranges of one device, and the table that says which of them exist
/// and how long they are.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="number">
/// <item>Every byte before the end of a file was written after the file last was shorter than that: a write behind
/// the end fills the gap with zeros first. So nothing that was cut off is ever seen again, although the cache may
/// still hold it.</item>
/// <item>A table is written between two flushes with no other write of the database in between, and has the exact
/// lengths of that moment. So a durable table never promises bytes that aren't durable, and in the order of
/// write-back it stands alone: the plain files become exactly what it says. The one exception is a transaction that
/// is committed as a whole and makes the database longer: there the table is of the same batch as the data, which
/// write-back never cuts, and takes nothing away.</item>
/// <item>Where the order of writes is enough (<see cref="IsSequential"/>), a table needs no flush before it, and what
/// makes a file longer is told before another file is written: the log is a prefix of what was written, so no write is
/// there without the lengths that it relies on.</item>
/// <item>Whatever makes a file shorter or removes it is durable before the call returns, hence before any later
/// write.</item>
/// <item>In memory nothing changes before the table that says so is durable; growth is the exception: it is told at
/// the next synchronisation, of whatever file.</item>
/// <item>When a table that makes something shorter was accepted, and then failed to become durable, nothing is
/// changed any more until the database is opened anew: that table may still cut the plain file off, and what it cuts
/// off couldn't be told again.</item>
/// </list>
/// A write never leaves old bytes between a file's end and the end of its last sector: it carries zeros for them.
/// </remarks>
internal sealed class CachedFiles : IDatabaseFiles
{
    private readonly Lock _changing = new(); // all changes of files and table; reads go on
    private readonly PCacheDevice _device;
    private readonly long[] _lengths = new long[FileSlots.Count]; // -1: there is no such file
    private readonly CachedFilesDefect _defect;
    private bool _tableIsOld;
    private int _untold; // a bit for each file that became longer since the last table
    private Exception? _broken;

    /// <param name="device">The cache.</param>
    /// <param name="isSequential">Whether the plain files follow as a whole, so that order is enough.</param>
    /// <param name="defect">A mistake on purpose.</param>
    /// <exception cref="IOException">The table can't be read, or isn't one.</exception>
    public CachedFiles(
        PCacheDevice device, bool isSequential = false, CachedFilesDefect defect = CachedFilesDefect.None)
    {
        _device = device;
        IsSequential = isSequential;
        _defect = defect;
        Accept(ReadTable());
    }

    public bool IsSequential { get; }

    public bool Exists(FileSlot slot) => Volatile.Read(ref _lengths[(int)slot]) >= 0;

    public long GetLength(FileSlot slot) => Math.Max(0, Volatile.Read(ref _lengths[(int)slot]));

    public int Read(FileSlot slot, long offset, Span<byte> buffer)
    {
        int length = (int)Math.Clamp(GetLength(slot) - offset, 0, buffer.Length);
        return length == 0 ? 0 : _device.Read(VirtualLayout.Base(slot) + offset, buffer[..length]);
    }

    public void Write(FileSlot slot, long offset, ReadOnlySpan<byte> buffer)
    {
        if (offset > VirtualLayout.MaxFileBytes - buffer.Length)
        {
            throw new PCacheFullException("The file would be longer than a file can be.");
        }

        lock (_changing)
        {
            long length = GetExisting(slot);
            long start = VirtualLayout.Base(slot);
            BeginWrite(slot);
            if (offset > length)
            {
                _device.WriteZeroes(start + length, offset - length);
            }

            long end = offset + buffer.Length;
            if (end <= length)
            {
                _device.Write(start + offset, buffer);
                return;
            }

            WritePadded(start + offset, buffer, (int)(VirtualLayout.RoundUp(end) - end));
            SetLengthNow(slot, end);
        }
    }

    public void Create(FileSlot slot)
    {
        lock (_changing)
        {
            ThrowIfBroken();
            if (!Exists(slot))
            {
                BeginWrite(slot);
                SetLengthNow(slot, 0);
            }
        }
    }

    public void Delete(FileSlot slot)
    {
        lock (_changing)
        {
            long length = GetLength(slot);
            if (Exists(slot))
            {
                Publish(Current().With(slot, FileState.Missing));
                _device.Discard(VirtualLayout.Base(slot), VirtualLayout.RoundUp(length));
            }
        }
    }

    public void SetLength(FileSlot slot, long lengthBytes)
    {
        lock (_changing)
        {
            long length = GetExisting(slot);
            if (lengthBytes < length)
            {
                Publish(Current().With(slot, new FileState(true, lengthBytes)));
                DiscardBehind(slot, lengthBytes, length);
            }
            else if (lengthBytes > length)
            {
                BeginWrite(slot);
                _device.WriteZeroes(VirtualLayout.Base(slot) + length, VirtualLayout.RoundUp(lengthBytes) - length);
                SetLengthNow(slot, lengthBytes);
            }
        }
    }

    public void Sync(FileSlot slot)
    {
        if (_defect == CachedFilesDefect.SyncWithoutFlush)
        {
            return;
        }

        lock (_changing)
        {
            ThrowIfBroken();
            if (_tableIsOld)
            {
                Publish(Current());
                return;
            }
        }

        _device.Flush();
    }

    public FileTransaction? BeginTransaction() => new(this, _device, GetLength(FileSlot.Main));

    /// <summary>Commits a transaction on the database's file: its data and, where that changes, the length.</summary>
    internal void Commit(FileTransaction transaction, AtomicBatch batch, bool durable)
    {
        lock (_changing)
        {
            long before = GetExisting(FileSlot.Main);
            if (_tableIsOld && !IsSequential)
            {
                Publish(Current()); // lengths of other files, which their last sectors' padding is not to follow
            }

            FileTable table = Current().With(FileSlot.Main, new FileState(true, transaction.Length));
            bool isShorter = transaction.Length < before;
            bool tells = transaction.Length != before || _tableIsOld;
            if (tells)
            {
                Span<byte> sector = stackalloc byte[FileTable.LengthBytes];
                table.Encode(sector);
                batch.Write(0, sector);
            }

            if (isShorter)
            {
                _device.Flush(); // it isn't to cut off, in the same group of write-back, what was written before
            }

            try
            {
                bool flushes = (durable || isShorter) && _defect != CachedFilesDefect.SyncWithoutFlush;
                batch.Commit(flushes ? WriteDurability.ForceUnitAccess : WriteDurability.Normal);
            }
            catch (Exception e) when (e is not (PCacheFullException or ArgumentException))
            {
                AcceptIfPublished(table, e);
                throw;
            }

            Accept(table);
            if (tells)
            {
                _tableIsOld = false;
                _untold = 0;
            }

            if (isShorter)
            {
                DiscardBehind(FileSlot.Main, transaction.Length, before);
            }
        }
    }

    /// <summary>
    /// After a commit that has happened as a whole, or not at all: whichever it is, lengths and data agree.
    /// </summary>
    private void AcceptIfPublished(FileTable table, Exception failure)
    {
        try
        {
            if (ReadTable().Main == table.Main)
            {
                Accept(table);
                _tableIsOld = true; // it isn't known to be durable
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            _broken = failure;
        }
    }

    private FileTable ReadTable()
    {
        Span<byte> sector = stackalloc byte[FileTable.LengthBytes];
        _ = _device.Read(0, sector);
        return FileTable.Decode(sector);
    }

    private void DiscardBehind(FileSlot slot, long lengthBytes, long before)
    {
        long from = VirtualLayout.RoundUp(lengthBytes);
        _device.Discard(VirtualLayout.Base(slot) + from, VirtualLayout.RoundUp(before) - from);
    }

    private void WritePadded(long at, ReadOnlySpan<byte> buffer, int padding)
    {
        if (padding == 0)
        {
            _device.Write(at, buffer);
            return;
        }

        int length = buffer.Length + padding;
        byte[]? rented = null;
        Span<byte> padded = length <= 8192 ? stackalloc byte[8192] : rented = ArrayPool<byte>.Shared.Rent(length);
        buffer.CopyTo(padded);
        padded[buffer.Length..length].Clear();
        _device.Write(at, padded[..length]);
        if (rented is not null)
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Makes a table durable behind all data, and then true.</summary>
    private void Publish(FileTable table)
    {
        ThrowIfBroken();
        _tableIsOld = true; // whatever happens now: if it fails, the next one says again what is
        Span<byte> sector = stackalloc byte[FileTable.LengthBytes];
        table.Encode(sector);
        if (!IsSequential && _defect != CachedFilesDefect.TableBeforeData)
        {
            _device.Flush();
        }

        _device.Write(0, sector); // if this throws, it wasn't accepted
        try
        {
            _device.Flush();
        }
        catch (Exception e) when (MakesShorter(table))
        {
            _broken = e;
            throw;
        }

        Accept(table);
        _tableIsOld = false;
        _untold = 0;
    }

    /// <summary>Before a file is written: what made other ones longer stands before it.</summary>
    private void BeginWrite(FileSlot slot)
    {
        if (IsSequential && (_untold & ~(1 << (int)slot)) != 0 && _defect != CachedFilesDefect.LongerUntold)
        {
            Span<byte> sector = stackalloc byte[FileTable.LengthBytes];
            Current().Encode(sector);
            _device.Write(0, sector);
            _tableIsOld = false; // though not durable
            _untold = 0;
        }
    }

    private bool MakesShorter(FileTable table)
    {
        for (int i = 0; i < FileSlots.Count; i++)
        {
            FileState state = table[(FileSlot)i];
            if ((state.Exists ? state.Length : -1) < _lengths[i])
            {
                return true;
            }
        }

        return false;
    }

    private void ThrowIfBroken()
    {
        if (_broken is { } cause)
        {
            throw new IOException("An earlier change of the files failed half-way; close all connections to the "
                + "database, and open it again.", cause);
        }
    }

    private FileTable Current()
    {
        var table = default(FileTable);
        for (int i = 0; i < FileSlots.Count; i++)
        {
            table = table.With((FileSlot)i, _lengths[i] < 0 ? FileState.Missing : new FileState(true, _lengths[i]));
        }

        return table;
    }

    private void Accept(FileTable table)
    {
        for (int i = 0; i < FileSlots.Count; i++)
        {
            FileState state = table[(FileSlot)i];
            Volatile.Write(ref _lengths[i], state.Exists ? state.Length : -1);
        }
    }

    private void SetLengthNow(FileSlot slot, long length)
    {
        _tableIsOld = true;
        _untold |= 1 << (int)slot;
        Volatile.Write(ref _lengths[(int)slot], length);
    }

    private long GetExisting(FileSlot slot)
    {
        ThrowIfBroken();
        long length = _lengths[(int)slot];
        return length >= 0 ? length : throw new FileNotFoundException($"The {slot} file was deleted.");
    }
}

/// <summary>Mistakes that tests make on purpose.</summary>
internal enum CachedFilesDefect
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A synchronisation returns without making anything durable.</summary>
    SyncWithoutFlush = 1,

    /// <summary>Data and the table that promises it are in one group of write-back, in any order.</summary>
    TableBeforeData = 2,

    /// <summary>A file is written before the table says how long the one is that it relies on.</summary>
    LongerUntold = 3,
}
