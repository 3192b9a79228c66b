using PCache.Core.Pmem;

namespace PCache.Core.Writeback;

/// <summary>
/// Writes a group's runs to the backing, several at a time. Keeps true: runs never overlap, so their order is free; when this returns without an error all
/// of them were accepted by the backing; when it throws none is in flight any more; memory is bounded by concurrency times the longest run.
/// </summary>
internal sealed class BackingWriter(PmemRegion region, IBlockDevice backing, PCacheOptions options)
{
    /// <summary>Longest single write in bytes.</summary>
    public const int MaxRunBytes = 1 << 20;

    private readonly int _concurrency = options.Maintenance == MaintenanceMode.Manual ? 1 : options.WritebackConcurrency;
    private readonly Stack<byte[]> _buffers = new();
    private readonly List<(Task Task, byte[] Buffer)> _inFlight = [];

    /// <summary>Writes all runs; doesn't flush.</summary>
    public void WriteRuns(WritebackPlan plan, CancellationToken stop)
    {
        try
        {
            for (int i = 0; i < plan.Runs.Length; i++)
            {
                stop.ThrowIfCancellationRequested();
                WritebackRun run = plan.Runs[i];
                byte[] buffer = GetBuffer(run.LengthBytes);
                Memory<byte> data = buffer.AsMemory(0, run.LengthBytes);
                Fill(plan, in run, data.Span);
                if (_concurrency == 1)
                {
                    backing.Write(run.Offset, data.Span);
                    _buffers.Push(buffer);
                    continue;
                }

                ValueTask write = backing.WriteAsync(run.Offset, data, WriteDurability.Normal, stop);
                if (write.IsCompletedSuccessfully)
                {
                    _buffers.Push(buffer);
                    continue;
                }

                _inFlight.Add((write.AsTask(), buffer));
                if (_inFlight.Count >= _concurrency)
                {
                    FinishOne();
                }
            }

            while (_inFlight.Count > 0)
            {
                FinishOne();
            }
        }
        catch
        {
            AwaitRest();
            throw;
        }
    }

    private void Fill(WritebackPlan plan, in WritebackRun run, Span<byte> data)
    {
        if (run.NeedsFill)
        {
            // Larger blocks than sectors: what lies between the pieces is the backing's own. Only this thread writes the backing.
            int have = backing.Read(run.Offset, data);
            data[have..].Clear();
        }

        foreach (ref readonly WritebackPiece piece in plan.Pieces.Slice(run.FirstPiece, run.PieceCount))
        {
            region.ReadSpan(piece.Source, piece.LengthBytes).CopyTo(data[(int)(piece.Offset - run.Offset)..]);
        }
    }

    private void FinishOne()
    {
        // This thread is the device's own; it has nothing else to do than to wait for its writes.
        var tasks = new Task[_inFlight.Count];
        for (int i = 0; i < tasks.Length; i++)
        {
            tasks[i] = _inFlight[i].Task;
        }

        int done = Task.WaitAny(tasks);
        (Task task, byte[] buffer) = _inFlight[done];
        _inFlight.RemoveAt(done);
        _buffers.Push(buffer);
        task.GetAwaiter().GetResult();
    }

    private void AwaitRest()
    {
        foreach ((Task task, byte[] buffer) in _inFlight)
        {
            ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
            _ = task.Exception; // the first error is the one reported
            _buffers.Push(buffer);
        }

        _inFlight.Clear();
    }

    private byte[] GetBuffer(int lengthBytes)
    {
        if (_buffers.TryPop(out byte[]? buffer) && buffer.Length >= lengthBytes)
        {
            return buffer;
        }

        return GC.AllocateUninitializedArray<byte>(Math.Max(lengthBytes, Math.Min(MaxRunBytes, options.WritebackGroupBytes)), pinned: true);
    }
}
