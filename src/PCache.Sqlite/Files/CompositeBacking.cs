using PCache.Core;
using PCache.Sqlite.Recognition;

namespace PCache.Sqlite.Files;

/// <summary>
/// The plain files of a database as one block device of fixed length: what stands behind the cache.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>Reading the table's sector shows the files as they are, and their headers behind it; writing it makes them
/// so: names and exact lengths.</item>
/// <item>What isn't in a file reads as zeros. Writing data behind a file's end lengthens it, up to the end of a
/// sector; a missing file is made first. The table that is written after that trims it.</item>
/// <item>A table takes bytes away that the cache may hold as clean for longer (it never shows them): so what is clean
/// says nothing of the files, and the record (<see cref="RecordKeeper"/>) alone recognises them after a crash.</item>
/// <item>A flush makes content, lengths and names durable, except that a file may have zeros up to the end of its
/// last sector after a power cut. A failed one leaves everything to be synchronised again.</item>
/// </list>
/// The code that writes tables (<see cref="CachedFiles"/>) lets each stand alone between two flushes: so no write of
/// the same group can be cut off by it, or undo it.
/// </remarks>
internal sealed partial class CompositeBacking(IFileStore store) : IWindowBacking, IBlockDevice
{
    private const int ZeroChunkBytes = 64 << 10;

    private readonly ReaderWriterLockSlim _shape = new(); // names and lengths; data goes on under the shared side
    private readonly bool[] _unsynced = new bool[FileSlots.Count];
    private readonly bool[] _trimmed = new bool[FileSlots.Count]; // zeros were cut off, unsynchronised
    private bool _namesUnsynced;
    private bool _disposed;

    public long Length => VirtualLayout.DeviceBytes;

    public int BlockSize => 1;

    public bool CanWrite { get; init; } = true;

    public bool CanResize => false;

    public bool CanDiscard => false;

    /// <summary>
    /// Set before a close that leaves dirty data behind: from then on a flush makes lengths durable to the byte,
    /// since the fingerprint has them.
    /// </summary>
    public bool KeepsExactLengths { get; set; }

    /// <summary>
    /// Told of each change of the files before it is made, and of each flush; may be null. Set before the first
    /// write.
    /// </summary>
    public RecordKeeper? Keeper { get; set; }

    /// <summary>
    /// Settings of a device on plain files, whatever the caller's options say: every open of one takes these.
    /// </summary>
    public static PCacheOptions Fit(PCacheOptions wanted) => wanted with { CompareBackingAfterCrash = false };

    public int Read(long offset, Span<byte> buffer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ObjectDisposedException.ThrowIf(_disposed, this);
        buffer = buffer[..(int)Math.Clamp(Length - offset, 0, buffer.Length)];
        int done = 0;
        while (done < buffer.Length)
        {
            done += ReadPart(offset + done, buffer[done..]);
        }

        return done;
    }

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(offset, buffer.Span));
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        CheckRange(offset, buffer.Length);
        if (!CanWrite)
        {
            throw new NotSupportedException("The backing is read-only.");
        }

        while (!buffer.IsEmpty)
        {
            int length = WritePart(offset, buffer);
            buffer = buffer[length..];
            offset += length;
        }

        if (durability == WriteDurability.ForceUnitAccess)
        {
            Flush();
        }
    }

    public ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(offset, buffer.Span, durability);
        return ValueTask.CompletedTask;
    }

    public void Flush()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _shape.EnterWriteLock();
        try
        {
            if (_failed)
            {
                throw new IOException("Write-back of many commits failed half-way, and isn't taken back yet.");
            }

            if (_underWay)
            {
                FinishWindow();
            }

            SyncAll();
            Keeper?.Settle(_trimmed);
            _underWay = false;
        }
        finally
        {
            _shape.ExitWriteLock();
        }
    }

    private void SyncAll()
    {
        for (int i = 0; i < FileSlots.Count; i++)
        {
            if (_unsynced[i] || (KeepsExactLengths && _trimmed[i]))
            {
                store.Sync((FileSlot)i);
                _trimmed[i] = false;
                _unsynced[i] = false;
            }
        }

        if (_namesUnsynced)
        {
            store.SyncNames();
            _namesUnsynced = false;
        }
    }

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Flush();
        return ValueTask.CompletedTask;
    }

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        CheckRange(offset, length);
        var zeros = new byte[(int)Math.Min(ZeroChunkBytes, length)];
        for (long done = 0; done < length; done += zeros.Length)
        {
            Write(offset + done, zeros.AsSpan(0, (int)Math.Min(zeros.Length, length - done)));
        }

        if (durability == WriteDurability.ForceUnitAccess)
        {
            Flush();
        }
    }

    public ValueTask WriteZeroesAsync(
        long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        WriteZeroes(offset, length, durability);
        return ValueTask.CompletedTask;
    }

    public void Discard(long offset, long length) => CheckRange(offset, 0);

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default)
    {
        Discard(offset, length);
        return ValueTask.CompletedTask;
    }

    public void SetLength(long length) => throw new NotSupportedException("The device has a fixed length.");

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("The device has a fixed length.");

    /// <summary>Closes the files.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            store.Dispose();
        }
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private static long EndOfRange(long offset) =>
        ((offset / VirtualLayout.MaxFileBytes) + 1) * VirtualLayout.MaxFileBytes;

    private void CheckRange(long offset, long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        ObjectDisposedException.ThrowIf(_disposed, this);
    }
}
