namespace PCache.Core.Engine;

/// <summary>
/// Batches of writes and reads. Keeps true: all arguments are checked, and the device is long enough, before anything is written; the result is that of the
/// single operations in the order given.
/// </summary>
internal sealed partial class CacheEngine
{
    public void WriteBatch(ReadOnlySpan<BlockWrite> writes, WriteDurability durability)
    {
        long end = 0;
        foreach (ref readonly BlockWrite write in writes)
        {
            CheckRange(write.Offset, write.Data.Length);
            end = write.Data.IsEmpty ? end : Math.Max(end, write.Offset + write.Data.Length);
        }

        int token = EnterWritable();
        try
        {
            EnsureLength(end);
            foreach (ref readonly BlockWrite write in writes)
            {
                WriteAll(write.Offset, write.Data.Span, zeros: false);
            }

            if (IsForced(durability))
            {
                FlushLog();
            }
        }
        finally
        {
            _gate.Exit(token);
        }

        _maintenance.NoteWork();
    }

    public long ReadBatch(ReadOnlySpan<BlockRead> reads)
    {
        foreach (ref readonly BlockRead read in reads)
        {
            CheckOffset(read.Offset);
        }

        long done = 0;
        foreach (ref readonly BlockRead read in reads)
        {
            done += Read(read.Offset, read.Buffer.Span);
        }

        return done;
    }
}
