using PCache.Core;

namespace PCache.Lab.Soak;

/// <summary>
/// What the threads do. Keeps true: what an operation may do is recorded before it begins, and what it certainly did
/// after it has ended; so the checks allow all that the contract allows, and nothing else.
/// </summary>
internal sealed partial class ConcurrencySoak
{
    private const int Unit = RaceOracle.UnitBytes;
    private const int MostUnits = 40 * RaceOracle.UnitsPerSector;

    private void WriteStep(Random random)
    {
        RaceOracle oracle = PickOracle(random);
        int burst = random.Next(100) < _options.AsyncPercent ? random.Next(1, 5) : 0;
        if (burst == 0)
        {
            Write(oracle, random, asynchronous: false).GetAwaiter().GetResult();
            return;
        }

        // Several at once from one thread; some of them cancelled.
        var tasks = new Task[burst];
        for (int i = 0; i < burst; i++)
        {
            tasks[i] = Write(oracle, random, asynchronous: true);
        }

        Task.WhenAll(tasks).GetAwaiter().GetResult();
    }

    private async Task Write(RaceOracle oracle, Random random, bool asynchronous)
    {
        bool zeros = random.Next(12) == 0;
        (int first, int count) = PickUnits(oracle, random, zeros || random.Next(3) != 0);
        bool durable = random.Next(16) == 0;
        WriteDurability durability = durable ? WriteDurability.ForceUnitAccess : WriteDurability.Normal;
        long offset = oracle.OffsetOf(first);
        using var cancel = new CancellationTokenSource();
        if (asynchronous && random.Next(6) == 0)
        {
            cancel.CancelAfter(random.Next(3));
        }

        long id = zeros ? oracle.BeginZeros(first, count) : oracle.BeginWrite(first, count);
        bool done = false;
        try
        {
            switch (zeros, asynchronous)
            {
                case (true, true):
                    await _device.WriteZeroesAsync(offset, (long)count * Unit, durability, cancel.Token)
                        .ConfigureAwait(false);
                    break;
                case (true, false):
                    _device.WriteZeroes(offset, (long)count * Unit, durability);
                    break;
                case (false, true):
                    await _device.WriteAsync(offset, oracle.Make(id, first, count), durability, cancel.Token)
                        .ConfigureAwait(false);
                    break;
                default:
                    _device.Write(offset, oracle.Make(id, first, count), durability);
                    break;
            }

            done = true;
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            Interlocked.Increment(ref _cancelled);
        }
        catch (IOException e) when (IsPlanned(e))
        {
            // It may have been done, all or in part.
        }

        if (zeros)
        {
            oracle.EndZeros(id, done, durable);
        }
        else
        {
            oracle.EndWrite(id, done, durable);
        }
    }

    private void LaneStep(SoakLane lane)
    {
        lane.Step();
        Interlocked.Increment(ref _laneOperations);
    }

    private void FlushStep(Random random)
    {
        long[] shared = _shared.TakeReturned();
        long[] tail = _tail.TakeReturned();
        try
        {
            if (random.Next(100) < _options.AsyncPercent)
            {
                _device.FlushAsync().AsTask().GetAwaiter().GetResult();
            }
            else
            {
                _device.Flush();
            }
        }
        catch (IOException e) when (IsPlanned(e))
        {
            return; // a growth has to be flushed on the backing
        }

        _shared.NoteFlushed(shared);
        _tail.NoteFlushed(tail);
        Interlocked.Increment(ref _flushes);
        if (random.Next(4) == 0)
        {
            Thread.Sleep(random.Next(3));
        }
    }

    /// <summary>What had returned before a drain began is on the backing once it has ended.</summary>
    private void DrainStep(Random random)
    {
        long[] floors = _shared.TakeReturned();
        using var cancel = new CancellationTokenSource();
        bool asynchronous = random.Next(100) < _options.AsyncPercent;
        if (asynchronous && random.Next(3) == 0)
        {
            cancel.CancelAfter(random.Next(5));
        }

        try
        {
            if (asynchronous)
            {
                _device.DrainAsync(null, cancel.Token).GetAwaiter().GetResult();
            }
            else
            {
                _device.Drain();
            }

            byte[] bytes = new byte[_shared.LengthBytes];
            _backing.Peek(_shared.BaseOffset, bytes);
            _shared.CheckAtLeast(bytes, floors, "the backing after a drain");
            Interlocked.Increment(ref _drains);
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
            Interlocked.Increment(ref _cancelled);
        }
        catch (IOException e) when (IsPlanned(e))
        {
            // Nothing is lost; the next one may succeed.
        }

        Thread.Sleep(random.Next(20));
    }

    /// <summary>Looks at the status and turns all knobs.</summary>
    private void SettingsStep(Random random)
    {
        PCacheStatus status = _device.GetStatus();
        if (status.SegmentsUsed < 1 || status.SegmentsUsed > status.SegmentCount || status.DirtyBytes < 0
            || status.DirtyKeys < 0 || status.PendingKeys < 0 || status.IsDegraded)
        {
            throw new SoakException($"An impossible status: {status}");
        }

        switch (random.Next(12))
        {
            case 0:
                _device.PauseWriteback();
                Thread.Sleep(random.Next(8));
                _device.ResumeWriteback();
                break;
            case 1:
                _device.SetGcThreshold(random.Next(91));
                break;
            case 2:
                _device.SetLabel("soak " + random.Next(1000));
                break;
            default:
                Thread.Sleep(random.Next(3));
                break;
        }
    }

    /// <summary>
    /// Changes the length. Shrinking: whatever the device was like, all that lies beyond the new end is gone, durably,
    /// when the call returns; so it counts as a write of zeros. Growing only: by writes past the end; from half of the
    /// time on also to lengths beyond all of them, so that nothing is cut.
    /// </summary>
    private void LengthStep(Random random)
    {
        Thread.Sleep(random.Next(10));
        bool asynchronous = random.Next(100) < _options.AsyncPercent;
        if (_options.Shrink)
        {
            int units = random.Next(_tail.Units);
            long id = _tail.BeginZeros(units, _tail.Units - units);
            SoakRetry.UntilDone(() => SetLength(_tail.OffsetOf(units), asynchronous), tolerant: _options.FailEvery > 0);
            _tail.EndZeros(id, certain: true, durable: true);
        }
        else if (_time.Elapsed > _options.Duration / 2)
        {
            _longest += random.Next(1, 100) * Unit;
            SoakRetry.UntilDone(() => SetLength(_tail.BaseOffset + _tail.LengthBytes + _longest, asynchronous),
                tolerant: _options.FailEvery > 0);
        }
        else
        {
            Write(_tail, random, asynchronous).GetAwaiter().GetResult();
        }

        Interlocked.Increment(ref _lengthChanges);
    }

    private void SetLength(long length, bool asynchronous)
    {
        if (asynchronous)
        {
            _device.SetLengthAsync(length).AsTask().GetAwaiter().GetResult();
        }
        else
        {
            _device.SetLength(length);
        }
    }

    /// <summary>Whether an error is one that the failing backing explains.</summary>
    private bool IsPlanned(Exception error) => SoakRetry.IsPlanned(error, _options.FailEvery > 0);

    private RaceOracle PickOracle(Random random) =>
        (_options.Growth || _options.Shrink) && random.Next(6) == 0 ? _tail : _shared;

    /// <summary>Mostly a few sectors; half of them in a few hot ones, so that threads meet.</summary>
    private static (int First, int Count) PickUnits(RaceOracle oracle, Random random, bool wholeSectors)
    {
        const int PerSector = RaceOracle.UnitsPerSector;
        int count = 1 + random.Next(random.Next(5) == 0 ? MostUnits : 4 * PerSector);
        int first = random.Next(2) == 0 ? (oracle.Units / 2) - (MostUnits / 2) + random.Next(MostUnits)
            : random.Next(oracle.Units);
        if (wholeSectors)
        {
            first = first / PerSector * PerSector;
            count = Math.Max(PerSector, count / PerSector * PerSector);
        }

        return (first, Math.Min(count, oracle.Units - first));
    }

    /// <summary>A thread that reads and remembers what it has seen.</summary>
    private sealed class Reader(ConcurrencySoak soak)
    {
        private readonly RaceOracle.SeenOrder _shared = new(soak._shared);
        private readonly RaceOracle.SeenOrder _tail = new(soak._tail);
        private readonly byte[] _bytes = new byte[MostUnits * Unit];
        private readonly long[] _floors = new long[MostUnits];

        public void Step(Random random)
        {
            RaceOracle oracle = soak.PickOracle(random);
            (int first, int count) = PickUnits(oracle, random, random.Next(2) == 0);
            Span<long> floors = _floors.AsSpan(0, count);
            Memory<byte> bytes = _bytes.AsMemory(0, count * Unit);
            long offset = oracle.OffsetOf(first);
            long least = soak._options.Shrink && oracle == soak._tail ? 0
                : Math.Clamp(soak._device.Length - offset, 0, bytes.Length);
            oracle.TakeFloors(first, floors);
            int read;
            try
            {
                read = random.Next(100) < soak._options.AsyncPercent
                    ? soak._device.ReadAsync(offset, bytes).AsTask().GetAwaiter().GetResult()
                    : soak._device.Read(offset, bytes.Span);
            }
            catch (IOException e) when (soak.IsPlanned(e))
            {
                return;
            }

            if (read < least || read > bytes.Length || read % Unit != 0)
            {
                throw new SoakException(
                    $"A read of {bytes.Length} bytes at {offset} returned {read}, and there were {least} when it "
                    + "began.");
            }

            oracle.CheckRead(first, bytes.Span[..read], floors, oracle == soak._shared ? _shared : _tail, "a read");
            Interlocked.Increment(ref soak._reads);
        }
    }
}
