using System.Diagnostics;
using PCache.Core;

namespace PCache.Lab.Soak;

/// <summary>
/// Threads of all kinds at once on one tiny cache.
/// </summary>
/// <remarks>
/// <para>Writers and readers share sectors on both sides of a stripe's boundary and at the device's end; lanes have
/// bytes of their own; flushes, drains, changes of length, pauses, settings and "kills" go on beside them, with the
/// device's own maintenance thread behind. The cache holds less than what is written over and over, so that space
/// waiting, write-back and garbage collection never rest.</para> Keeps true: whatever is legal under the contract
/// passes, and every read, every kill's image, the backing after a drain and the state at the end are held against it;
/// the first violation ends the run, and so does a hang. The end: device, backing, counts and image are compared once
/// everything is at rest.
/// </remarks>
internal sealed partial class ConcurrencySoak : IDisposable
{
    private const int SegmentBytes = 64 << 10;
    private const int MetadataBytes = 20480;
    private const long Stripe = 4 << 20;
    private const int SharedSectors = 384;
    private const int TailSectors = 128;
    private const long FirstLane = 64 << 10;
    private const long BaseLength = Stripe + (1 << 20);

    private readonly SoakOptions _options;
    private readonly WorldGate _gate = new();
    private readonly SoakClock _clock = new();
    private readonly SoakPlace _place;
    private readonly SoakBacking _backing;
    private readonly RaceOracle _shared;
    private readonly RaceOracle _tail;
    private readonly SoakLane[] _lanes;
    private readonly PCacheOptions _deviceOptions;
    private readonly Stopwatch _time = new();
    private PCacheDevice _device;
    private volatile Exception? _failure;
    private long _progress;
    private long _reads;
    private long _laneOperations;
    private long _flushes;
    private long _drains;
    private long _lengthChanges;
    private long _kills;
    private long _cancelled;
    private long _longest;

    private ConcurrencySoak(SoakOptions options)
    {
        _options = options;
        _place = new SoakPlace(options, _gate, MetadataBytes + ((long)options.Segments * SegmentBytes));
        _backing = new SoakBacking(_gate, BaseLength, options.BlockSize, canDiscard: options.Discard);
        _shared = new RaceOracle(_clock, Stripe - (SharedSectors / 2 * 512), SharedSectors, options.MaxWrites,
            zerosAreWholeSectors: true);
        _tail = new RaceOracle(_clock, BaseLength, TailSectors, options.MaxWrites / 4, zerosAreWholeSectors: false);
        _deviceOptions = new PCacheOptions
        {
            SegmentSizeBytes = SegmentBytes,
            PayloadCrc = options.PayloadCrc,
            WritebackDelay = TimeSpan.FromMilliseconds(options.Seed % 3),
            KsetTimeout = TimeSpan.FromMilliseconds(2 + (options.Seed % 4)),
            WritebackGroupBytes = 64 << 10,
            LogReserveSegments = 1 + (options.Seed % 2),
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
        };
        _device = PCacheDevice.Create(_place.Region, _backing, _deviceOptions);
        _lanes = new SoakLane[options.Lanes];
        for (int i = 0; i < _lanes.Length; i++)
        {
            // On both sides of the shared sectors, an odd byte off any boundary.
            _lanes[i] = new SoakLane(_device, FirstLane + 77
                + ((long)i * SoakLane.LengthBytes), options, (options.Seed * 1000) + 500 + i);
        }
    }

    /// <summary>What has happened so far.</summary>
    public SoakReport Report
    {
        get
        {
            PCacheStatus status = _device.GetStatus();
            return new SoakReport
            {
                Writes = _shared.Writes + _tail.Writes,
                Reads = Interlocked.Read(ref _reads),
                LaneOperations = Interlocked.Read(ref _laneOperations),
                Flushes = Interlocked.Read(ref _flushes),
                Drains = Interlocked.Read(ref _drains),
                LengthChanges = Interlocked.Read(ref _lengthChanges),
                Kills = Interlocked.Read(ref _kills),
                Failures = _backing.Failures,
                Cancelled = Interlocked.Read(ref _cancelled) + _lanes.Sum(lane => lane.Cancelled),
                SpaceWaits = status.SpaceWaits,
                SegmentsReclaimed = status.SegmentsReclaimed,
                WritebackBytes = status.WritebackBytes,
            };
        }
    }

    private bool IsOver => _failure is not null || _shared.IsFull || _tail.IsFull
        || (_time.Elapsed >= _options.Duration
        && (DidEnough || _time.Elapsed >= _options.Duration + _options.HangLimit));

    /// <summary>
    /// Whether enough of everything has happened to show something: on a busy machine a run takes longer.
    /// </summary>
    private bool DidEnough
    {
        get
        {
            SoakReport did = Report;
            return did.Writes > 100 && did.Reads > 100 && did.LaneOperations > 20 && did.Flushes > 2 && did.Drains > 0
                && did.SegmentsReclaimed > 5 && did.WritebackBytes > 0
                && (did.Kills > 0 || !_options.Kills)
                    && (did.LengthChanges > 0 || !(_options.Growth || _options.Shrink))
                && (did.SpaceWaits > 0 || _options.Segments > 6) && (did.Failures > 0 || _options.FailEvery == 0);
        }
    }

    /// <summary>Runs a soak to its end.</summary>
    /// <exception cref="SoakException">The device broke its contract, hangs, or failed where nothing had gone wrong;
    /// the message has the seed.</exception>
    public static SoakReport Run(SoakOptions options)
    {
        using var soak = new ConcurrencySoak(options);
        try
        {
            soak.RunThreads();
            return soak.Finish();
        }
        catch (Exception e)
        {
            throw new SoakException($"Seed {options.Seed}, after {soak._time.Elapsed.TotalSeconds:F1} s: {e.Message}",
                e);
        }
    }

    public void Dispose()
    {
        _backing.FailEvery = 0;
        if (_failure is not HangException)
        {
            _device.Dispose();
            _place.Dispose();
            _gate.Dispose();
        }
    }

    private void RunThreads()
    {
        _backing.FailEvery = _options.FailEvery;
        _time.Start();
        var threads = new List<Thread>();
        for (int i = 0; i < _options.Writers; i++)
        {
            int number = i;
            threads.Add(Start("writer", random => WriteStep(random), number));
        }

        for (int i = 0; i < _options.Readers; i++)
        {
            var reader = new Reader(this);
            threads.Add(Start("reader", reader.Step, 100 + i));
        }

        foreach (SoakLane lane in _lanes)
        {
            threads.Add(Start("lane", _ => LaneStep(lane), 200));
        }

        threads.Add(Start("flusher", FlushStep, 300));
        threads.Add(Start("drainer", DrainStep, 301));
        threads.Add(Start("settings", SettingsStep, 302));
        if (_options.Growth || _options.Shrink)
        {
            threads.Add(Start("length", LengthStep, 303));
        }

        if (_options.Kills)
        {
            threads.Add(Start("kills", KillStep, 304));
        }

        Watch(threads);
        _time.Stop();
        if (_failure is not null)
        {
            throw _failure;
        }

        if (!DidEnough)
        {
            throw new SoakException($"Too little happens: {Report}");
        }
    }

    private Thread Start(string name, Action<Random> step, int number)
    {
        var random = new Random((_options.Seed * 1000) + number);
        var thread = new Thread(() =>
        {
            try
            {
                while (!IsOver)
                {
                    step(random);
                    Interlocked.Increment(ref _progress);
                }
            }
            catch (Exception e)
            {
                // The first failure counts; what follows from it doesn't.
                Interlocked.CompareExchange(ref _failure,
                    new SoakException($"{name}: {e.GetType().Name}: {e.Message}", e), null);
            }
        })
        {
            IsBackground = true,
            Name = "soak " + name,
        };
        thread.Start();
        return thread;
    }

    /// <summary>Waits for the threads, which must get on all the time and end when they are to.</summary>
    private void Watch(List<Thread> threads)
    {
        long seen = -1;
        long since = Stopwatch.GetTimestamp();
        long reported = since;
        while (threads.Exists(thread => !thread.Join(TimeSpan.FromMilliseconds(50))))
        {
            long now = Interlocked.Read(ref _progress);
            if (now != seen)
            {
                seen = now;
                since = Stopwatch.GetTimestamp();
            }
            else if (Stopwatch.GetElapsedTime(since) > _options.HangLimit)
            {
                var hang = new HangException(
                    $"Hangs: {string.Join(", ", threads.Where(t => t.IsAlive).Select(t => t.Name))}. "
                    + $"{_device.GetStatus()}");
                _failure = hang;
                throw hang;
            }

            if (_options.OnProgress is not null && Stopwatch.GetElapsedTime(reported) > TimeSpan.FromSeconds(1))
            {
                reported = Stopwatch.GetTimestamp();
                _options.OnProgress(Report);
            }
        }
    }

    /// <summary>Threads still use the device: it can't be taken away from them.</summary>
    private sealed class HangException(string message) : Exception(message);
}
