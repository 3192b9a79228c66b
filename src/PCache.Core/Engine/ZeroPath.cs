using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Writes of zeros. Keeps true: whole sectors cost a key each and share their payload; in all else they are writes
/// like any other (see <see cref="WritePath"/>). Any thread.
/// </summary>
internal sealed class ZeroPath(WriteParts parts, WritePath writes)
{
    /// <summary>A power of two of zero bytes: what write-zeroes writes where it can't do without payload.</summary>
    private static readonly byte[] Zeros = new byte[1 << 20];

    /// <summary>Makes a range zero; whole sectors cost a key each, no payload.</summary>
    public void Write(long offset, long length, WriteDurability durability)
    {
        Ranges.Check(offset, length);
        int token = parts.Gate.Enter();
        try
        {
            if (length == 0)
            {
                return;
            }

            parts.Store.Counters.Add(OperationGate.IndexOf(token), DeviceCounter.Writes, 1);
            parts.Length.Ensure(offset + length);
            for (long done = 0; done < length;)
            {
                int n = ZeroChunk(offset + done, length - done);
                writes.WriteAll(offset + done, Zeros.AsSpan(0, n), zeros: true);
                done += n;
            }

            if (parts.Flushes.NeedsLog(durability))
            {
                parts.Flushes.LogNow(durability);
            }
        }
        finally
        {
            parts.Gate.Exit(token);
            parts.Work.Tell();
        }
    }

    /// <inheritdoc cref="Write"/>
    public async ValueTask WriteAsync(
        long offset, long length, WriteDurability durability, CancellationToken cancellationToken)
    {
        Ranges.Check(offset, length);
        cancellationToken.ThrowIfCancellationRequested();
        int token = parts.Gate.EnterShared();
        try
        {
            if (length == 0)
            {
                return;
            }

            parts.Store.Counters.Add(ThreadIndex.Current, DeviceCounter.Writes, 1);
            await parts.Length.EnsureAsync(offset + length, cancellationToken).ConfigureAwait(false);
            for (long done = 0; done < length;)
            {
                int n = ZeroChunk(offset + done, length - done);
                await writes.WriteAllAsync(
                    offset + done, Zeros.AsMemory(0, n), 0, zeros: true, cancellationToken).ConfigureAwait(false);
                done += n;
            }

            if (parts.Flushes.NeedsLog(durability))
            {
                await parts.Flushes.LogNowAsync(durability, cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            parts.Gate.Exit(token);
            parts.Work.Tell();
        }
    }

    /// <summary>Up to the next boundary of the zero block, so that whole sectors stay whole.</summary>
    private static int ZeroChunk(long offset, long length) =>
        (int)Math.Min(length, Zeros.Length - (offset & (Zeros.Length - 1)));
}
