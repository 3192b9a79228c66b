using System.Diagnostics;
using PCache.Core.Backing;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Writeback;

/// <summary>
/// Writes a group's runs to the backing, several at a time.
/// </summary>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>Runs never overlap, so their order is free. They are begun in order, one claim at a time, and each only
/// after its <c>admit</c> has said yes.</item>
/// <item>When this returns true all of them were accepted by the backing; when it throws or returns false none is in
/// flight any more.</item>
/// <item>A run of one piece is written straight from the region; only others are put together in a buffer. Memory is
/// bounded by concurrency times the longest run.</item>
/// <item>Right before each write the backing's length is looked at: writing to one that another program has cut would
/// lengthen it again, with zeros in between.</item>
/// <item>With <see cref="MaintenanceMode.Manual"/> everything happens on the calling thread, in order.</item>
/// </list>
/// A device of ours that is a file or memory is written synchronously: by this thread alone as long as its writes
/// return at memory speed (a page cache takes them one after another in any case), and by helpers as well once they
/// turn out to wait for something. Any other device is written asynchronously.
/// </remarks>
internal sealed class BackingWriter
{
    /// <summary>Longest single write in bytes.</summary>
    public const int MaxRunBytes = 1 << 20;

    // A write that takes longer than this, and longer than its bytes at a gigabyte a second, waits for more than
    // memory.
    private static readonly long SlowWriteTicks = Stopwatch.Frequency / 10_000;
    private static readonly double TicksPerByte = Stopwatch.Frequency / 1e9;

    private readonly PmemRegion _region;
    private readonly IBlockDevice _backing;
    private readonly PCacheOptions _options;
    private readonly Func<long> _checkLength;
    private readonly int _concurrency;
    private readonly bool _synchronous;
    private readonly Stack<byte[]> _buffers = new();
    private readonly SteadyLock _buffering = new();
    private readonly List<(Task Task, byte[] Buffer)> _inFlight = [];

    // What the writers of a group share.
    private readonly SteadyLock _claiming = new();
    private readonly List<Task> _helpers = [];
    private int _nextRun;
    private bool _refused;
    private volatile Exception? _failure;
    private long _progress;

    public BackingWriter(PmemRegion region, IBlockDevice backing, PCacheOptions options, Func<long> checkLength)
    {
        _checkLength = checkLength;
        _region = region;
        _backing = backing;
        _options = options;
        _concurrency = options.Maintenance == MaintenanceMode.Manual ? 1 : options.WritebackConcurrency;
        _synchronous = _concurrency == 1 || backing is CheckedBlockDevice { PrefersSynchronousWrites: true };
    }

    /// <summary>Runs claimed so far, over all groups. Any thread.</summary>
    public long Progress => Volatile.Read(ref _progress);

    /// <summary>
    /// Writes all runs; doesn't flush. False: <paramref name="admit"/> refused one; what comes before it was written,
    /// nothing from it on.
    /// </summary>
    public bool WriteRuns(WritebackPlan plan, Func<WritebackRun, bool> admit, CancellationToken stop)
    {
        _nextRun = 0;
        _refused = false;
        _failure = null;
        if (_synchronous)
        {
            WriteSynchronously(plan, admit, stop);
        }
        else
        {
            WriteAsynchronously(plan, admit, stop);
        }

        return !_refused;
    }

    /// <summary>Something was written elsewhere.</summary>
    public void NoteProgress() => Volatile.Write(ref _progress, _progress + 1);

    private void WriteSynchronously(WritebackPlan plan, Func<WritebackRun, bool> admit, CancellationToken stop)
    {
        try
        {
            long spent = 0;
            double allowed = 0;
            while (Claim(plan, admit, stop, out WritebackRun run))
            {
                long begun = Stopwatch.GetTimestamp();
                WriteRun(plan, in run);
                spent += Stopwatch.GetTimestamp() - begun;
                allowed += SlowWriteTicks + (run.LengthBytes * TicksPerByte);
                if (spent > allowed && _helpers.Count + 1 < _concurrency)
                {
                    _helpers.Add(Task.Run(() => Help(plan, admit, stop), CancellationToken.None));
                    spent = 0;
                    allowed = 0;
                }
            }
        }
        catch (Exception e)
        {
            _failure ??= e; // ends the helpers too
            throw;
        }
        finally
        {
            foreach (Task helper in _helpers)
            {
                Uninterrupted.WaitOne(((IAsyncResult)helper).AsyncWaitHandle); // never fails: see Help
            }

            _helpers.Clear();
        }

        if (_failure is { } failure)
        {
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void Help(WritebackPlan plan, Func<WritebackRun, bool> admit, CancellationToken stop)
    {
        try
        {
            while (Claim(plan, admit, stop, out WritebackRun run))
            {
                WriteRun(plan, in run);
            }
        }
        catch (Exception e)
        {
            _failure ??= e;
        }
    }

    /// <summary>The next run to write, if there is one.</summary>
    private bool Claim(WritebackPlan plan, Func<WritebackRun, bool> admit, CancellationToken stop, out WritebackRun run)
    {
        using (_claiming.Hold())
        {
            run = default;
            if (_failure is not null || _refused || _nextRun == plan.Runs.Length)
            {
                return false;
            }

            stop.ThrowIfCancellationRequested();
            Volatile.Write(ref _progress, _progress + 1);
            run = plan.Runs[_nextRun];
            if (!admit(run))
            {
                _refused = true;
                return false;
            }

            _nextRun++;
            return true;
        }
    }

    private void WriteRun(WritebackPlan plan, in WritebackRun run)
    {
        _checkLength();
        if (run.PieceCount == 1 && !run.NeedsFill)
        {
            // The payload stays as it is: its keys hold references.
            WritebackPiece piece = plan.Pieces[run.FirstPiece];
            _backing.Write(run.Offset, _region.ReadSpan(piece.Source, piece.LengthBytes));
            return;
        }

        byte[] buffer = GetBuffer(run.LengthBytes);
        Span<byte> data = buffer.AsSpan(0, run.LengthBytes);
        Fill(plan, in run, data);
        _backing.Write(run.Offset, data);
        PutBuffer(buffer);
    }

    private void WriteAsynchronously(WritebackPlan plan, Func<WritebackRun, bool> admit, CancellationToken stop)
    {
        try
        {
            while (Claim(plan, admit, stop, out WritebackRun run))
            {
                byte[] buffer = GetBuffer(run.LengthBytes);
                Memory<byte> data = buffer.AsMemory(0, run.LengthBytes);
                Fill(plan, in run, data.Span);
                _checkLength();
                ValueTask write = _backing.WriteAsync(run.Offset, data, WriteDurability.Normal, stop);
                if (write.IsCompletedSuccessfully)
                {
                    PutBuffer(buffer);
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

    /// <summary>Puts a run together.</summary>
    public void Fill(WritebackPlan plan, in WritebackRun run, Span<byte> data)
    {
        if (run.NeedsFill)
        {
            // Larger blocks than sectors: what lies between the pieces is the backing's own. Only write-back writes
            // the backing.
            int have = _backing.Read(run.Offset, data);
            if (have < data.Length && run.Offset + have < _backing.Length)
            {
                throw new IOException($"Of {data.Length} bytes at {run.Offset} the backing returned only {have}, "
                    + $"although it says that it has {_backing.Length}.");
            }

            data[have..].Clear();
        }

        foreach (ref readonly WritebackPiece piece in plan.Pieces.Slice(run.FirstPiece, run.PieceCount))
        {
            _region.ReadSpan(piece.Source, piece.LengthBytes).CopyTo(data[(int)(piece.Offset - run.Offset)..]);
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

        int done = Uninterrupted.WaitAny(tasks);
        (Task task, byte[] buffer) = _inFlight[done];
        _inFlight.RemoveAt(done);
        PutBuffer(buffer);
        task.GetAwaiter().GetResult();
    }

    private void AwaitRest()
    {
        foreach ((Task task, byte[] buffer) in _inFlight)
        {
            Uninterrupted.WaitOne(((IAsyncResult)task).AsyncWaitHandle);
            _ = task.Exception; // the first error is the one reported
            PutBuffer(buffer);
        }

        _inFlight.Clear();
    }

    private byte[] GetBuffer(int lengthBytes)
    {
        using (_buffering.Hold())
        {
            if (_buffers.TryPop(out byte[]? buffer) && buffer.Length >= lengthBytes)
            {
                return buffer;
            }
        }

        return GC.AllocateUninitializedArray<byte>(
            Math.Max(lengthBytes, Math.Min(MaxRunBytes, _options.WritebackGroupBytes)), pinned: true);
    }

    private void PutBuffer(byte[] buffer)
    {
        using (_buffering.Hold())
        {
            _buffers.Push(buffer);
        }
    }
}
