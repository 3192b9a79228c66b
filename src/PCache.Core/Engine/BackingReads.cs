using PCache.Core.Diagnostics;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Reads of the backing for what isn't cached. Keeps true: what the backing gave is used only where it has all that it
/// is known to have; behind that are zeros where the device has grown; a backing that is shorter fails the read, and
/// nothing is cached in place of what is gone. No lock is held while the backing reads. Any thread.
/// </summary>
internal sealed class BackingReads(
    ExtentStore store, Misses misses, IBlockDevice backing, StorageWatch storage, DeviceDiagnostics diagnostics)
{
    /// <summary>
    /// Reserves the run of gaps at <paramref name="offset"/>. Null: there is no gap (any more), or the device has
    /// become shorter.
    /// </summary>
    public MissOperation? TryBegin(long offset, int wantedBytes)
    {
        MissOperation? miss = misses.TryBegin(offset, wantedBytes);
        if (miss is null)
        {
            return null;
        }

        try
        {
            // Backing bytes beyond the device's length are none of the device's: a truncation is about to cut them off.
            // Where the device has grown beyond the backing there are zeros, and nothing to ask for.
            miss.LengthChanges = store.LengthChanges;
            long end = storage.SharedLength;
            long blockSize = Math.Max(backing.BlockSize, 1);
            long length = (miss.Offset & -blockSize) < end ? backing.Length : 0;
            miss.Prepare((int)blockSize, length, end, store.Length);
            return miss;
        }
        catch
        {
            misses.End(miss);
            throw;
        }
    }

    /// <summary>Reads. False: the device's length has changed meanwhile, look again.</summary>
    /// <exception cref="PCacheStorageChangedException">The backing is shorter than the device.</exception>
    public bool Read(MissOperation miss)
    {
        try
        {
            return IsWhole(miss, miss.ReadBuffer.IsEmpty ? 0 : backing.Read(miss.ReadOffset, miss.ReadBuffer.Span));
        }
        catch (Exception e) when (diagnostics.NoteReadFailure(e))
        {
            throw;
        }
    }

    /// <inheritdoc cref="Read"/>
    public async ValueTask<bool> ReadAsync(MissOperation miss, CancellationToken cancellationToken)
    {
        try
        {
            return IsWhole(miss, miss.ReadBuffer.IsEmpty ? 0
                : await backing.ReadAsync(miss.ReadOffset, miss.ReadBuffer, cancellationToken).ConfigureAwait(false));
        }
        catch (Exception e) when (diagnostics.NoteReadFailure(e))
        {
            throw;
        }
    }

    /// <inheritdoc cref="Misses.Complete"/>
    public int Complete(int index, MissOperation miss, long offset, Span<byte> destination, bool roomIsWanted) =>
        misses.Complete(index, miss, offset, destination, roomIsWanted);

    /// <inheritdoc cref="Misses.End"/>
    public void End(MissOperation miss) => misses.End(miss);

    private bool IsWhole(MissOperation miss, int bytes)
    {
        miss.SetRead(bytes);
        if (bytes >= miss.ExpectedBytes)
        {
            return true;
        }

        return miss.LengthChanges != store.LengthChanges
            ? false
            : throw storage.NoteShortRead(miss.ReadOffset, miss.ReadOffset + miss.ExpectedBytes, bytes);
    }
}
