// Keeps true: each proof compares content with what was acknowledged, never with what the cache says about itself;
// exit code 1 if any proof fails; the temporary directory and the writer process are gone at the end, however it
// ends.
using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using PCache.Core;
using PCache.Tool.Kills;

namespace PCache.Tool.Demo;

/// <summary><c>pcache demo</c>: the main job in one go, on real files.</summary>
internal static class DemoCommand
{
    private const int DefaultSeconds = 10;

    public static Command Build(ToolContext context)
    {
        var directory = new Option<string?>("--dir")
        {
            Description = "Where the files go; they stay there. Without it: a temporary directory that is removed.",
            HelpName = "DIR",
        };
        Option<int?> seconds = CommonOptions.Number("--seconds", "How long to write, all parts together, 1 to 600. "
            + "Recovery and write-back come on top.", 1, 600);
        Option<int?> seed = CommonOptions.Number(
            "--seed", "Seed of what is written; random if not given.", 0, int.MaxValue);
        var command = new ToolCommand(
            "demo",
            "Shows the main job on real files: a slow backing without and with a cache, a writer killed in the middle, "
            + "and the proof that nothing acknowledged is lost.",
            "pcache demo",
            "pcache demo --dir /mnt/data/demo --seconds 20 --seed 7");
        command.Add(directory);
        command.Add(seconds);
        command.Add(seed);

        // On a thread of its own: a signal then cancels it, so that it ends the writer and removes its files.
        command.SetAction((parse, cancellation) => Task.Run(
            () => Run(
                context,
                parse.GetValue(directory),
                parse.GetValue(seconds) ?? DefaultSeconds,
                parse.GetValue(seed) ?? Random.Shared.Next(),
                cancellation),
            CancellationToken.None));
        return command;
    }

    private static int Run(
        ToolContext context, string? directory, int seconds, int seed, CancellationToken cancellation)
    {
        if (directory is null)
        {
            DirectoryInfo temporary = Directory.CreateTempSubdirectory("pcache-demo-");
            try
            {
                return new DemoRun(context, temporary.FullName, seconds, seed, cancellation).Run();
            }
            finally
            {
                temporary.Delete(recursive: true);
            }
        }

        if (File.Exists(directory))
        {
            throw ToolException.Refused($"'{directory}' is a file. Give a directory for --dir.");
        }

        Directory.CreateDirectory(directory);
        return new DemoRun(context, directory, seconds, seed, cancellation).Run();
    }
}

/// <summary>One run of the demo.</summary>
internal sealed class DemoRun
{
    private const uint Sectors = 128 << 10;
    private const long CacheBytes = 32 << 20;
    private const int SegmentBytes = 512 << 10;
    private const uint PageSectors = 8;
    private const int WritesPerFlush = 32;
    private const int CachedWrites = 4000;
    private const int WarmUpWrites = 640;
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(30);

    private readonly ToolContext _context;
    private readonly WriterSettings _settings;
    private readonly KillVerifier _verifier;
    private readonly int _seconds;
    private readonly int _seed;
    private readonly CancellationToken _cancellation;
    private readonly Random _random;
    private uint _nextId = 2;
    private bool _sound = true;

    public DemoRun(ToolContext context, string directory, int seconds, int seed, CancellationToken cancellation)
    {
        _context = context;
        _seconds = seconds;
        _seed = seed;
        _cancellation = cancellation;
        _random = new Random(seed);
        _settings = new WriterSettings
        {
            CachePath = Path.Combine(directory, "demo-cache.img"),
            BackingPath = Path.Combine(directory, "demo-backing.img"),
            Seed = seed,
            Sectors = Sectors,
            FlushEvery = WritesPerFlush,
            Throttled = true,
        };
        _verifier = new KillVerifier(_settings.CreatePlan());
    }

    public int Run()
    {
        foreach (string path in new[] { _settings.BackingPath, _settings.CachePath })
        {
            if (Path.Exists(path))
            {
                throw ToolException.Refused($"'{path}' exists already. Remove it, or give another --dir.");
            }
        }

        Say($"Seed {_seed}. Backing: {_settings.BackingPath}, {Sectors / 2048} MiB, made slow (3 ms a write or flush). "
            + $"Cache: {_settings.CachePath}, {CacheBytes >> 20} MiB.");
        KillImages.CreateBacking(_settings.BackingPath, Sectors);
        KillImages.CreateCache(_settings.CachePath, CacheBytes, SegmentBytes);

        Say("1. Writing 4 KiB pages at random places, a flush after every 32: to the backing alone ...");
        Measurement alone = MeasureAlone();
        Say("   ... and with the cache in front.");
        Measurement cached = MeasureCached();

        Say("2. A second process writes through the cache, and is killed (SIGKILL) in the middle ...");
        long before = _verifier.AcknowledgedWrites;
        KillWriter();
        long acknowledged = _verifier.AcknowledgedWrites - before;

        Say("3. Opening the cache again: is every acknowledged write there?");
        using PCacheDevice device = OpenCache();
        Proof("every acknowledged write is there, none is torn, nothing older came back", _verifier.Verify(device));

        Say("4. Writing everything back: is the backing complete on its own?");
        using (var bar = new ProgressBar(_context, "writing back"))
        {
            device.DrainAsync(new Reporter(bar), _cancellation).GetAwaiter().GetResult();
        }

        PCacheStatus status = device.GetStatus();
        RecoveryReport recovery = device.Recovery;
        device.Dispose();
        Claim("the cache says that it is clean", status.IsClean && !status.IsDegraded);
        using (IBlockDevice backing = CacheFiles.OpenBacking(_settings.BackingPath, readOnly: true))
        {
            Proof("the backing alone holds every write", _verifier.VerifyExact(backing));
        }

        PrintTable(alone, cached, acknowledged, recovery, status);
        return _sound ? ExitCode.Done : ExitCode.Damage;
    }

    private Measurement MeasureAlone()
    {
        using IBlockDevice backing = SlowBacking.Over(CacheFiles.OpenBacking(_settings.BackingPath, readOnly: false));
        TimeSpan limit = TimeSpan.FromSeconds(_seconds * 0.3);
        return Measure(backing, int.MaxValue, limit);
    }

    private Measurement MeasureCached()
    {
        using PCacheDevice device = OpenCache();
        Measure(device, WarmUpWrites, TimeSpan.MaxValue);
        return Measure(device, CachedWrites, TimeSpan.MaxValue);
    }

    private PCacheDevice OpenCache()
    {
        IBlockDevice backing = SlowBacking.Over(CacheFiles.OpenBacking(_settings.BackingPath, readOnly: false));
        return CacheFiles.OpenDevice(_settings.CachePath, backing,
            new PCacheOptions { WritebackConcurrency = SlowBacking.WritebackConcurrency });
    }

    /// <summary>
    /// Writes pages with a flush after every <see cref="WritesPerFlush"/>, until a number or a time is reached; ends
    /// with a flush.
    /// </summary>
    private Measurement Measure(IBlockDevice device, int writes, TimeSpan limit)
    {
        var histogram = new LatencyHistogram();
        byte[] page = new byte[PageSectors * MarkedSector.SectorSize];
        var unflushed = new List<(uint Sector, uint Id)>(WritesPerFlush);
        long start = Stopwatch.GetTimestamp();
        TimeSpan elapsed = TimeSpan.Zero;
        for (int done = 0; (done < writes && elapsed < limit) || unflushed.Count > 0; done++)
        {
            _cancellation.ThrowIfCancellationRequested();
            uint id = _nextId++;
            uint sector = (uint)_random.Next((int)(Sectors / PageSectors)) * PageSectors;
            MarkedSector.Fill(page, sector, id);
            long begin = Stopwatch.GetTimestamp();
            device.Write((long)sector * MarkedSector.SectorSize, page);
            histogram.Record((long)Stopwatch.GetElapsedTime(begin).TotalNanoseconds);
            unflushed.Add((sector, id));
            if (unflushed.Count == WritesPerFlush)
            {
                device.Flush();
                foreach ((uint flushedSector, uint flushedId) in unflushed)
                {
                    _verifier.RecordFlushed(flushedSector, PageSectors, flushedId);
                }

                unflushed.Clear();
                elapsed = Stopwatch.GetElapsedTime(start);
            }
        }

        return new Measurement(histogram, Stopwatch.GetElapsedTime(start));
    }

    private void KillWriter()
    {
        using WriterProcess writer = WriterProcess.Start(DemoWriterCommand.Name, _settings, _verifier);
        if (writer.WaitReady(ReadyTimeout, _cancellation))
        {
            double duration = _seconds * (0.5 + (0.2 * _random.NextDouble()));
            _cancellation.WaitHandle.WaitOne(TimeSpan.FromSeconds(duration));
        }

        writer.Kill();
        _cancellation.ThrowIfCancellationRequested();
        Claim("the writer had acknowledged writes when it was killed", writer.Acknowledgements > 1);
    }

    private void Proof(string claim, VerifyResult result)
    {
        Claim($"{claim} ({result.Sectors} sectors compared, {result.UnacknowledgedSectors} hold writes that were on "
            + $"their way)", result.Violations == 0);
        foreach (string detail in result.Details)
        {
            Say("   " + detail);
        }
    }

    private void Claim(string claim, bool holds)
    {
        _sound &= holds;
        Say($"   {(holds ? "yes" : "NO")}: {claim}");
    }

    private void PrintTable(
        Measurement alone, Measurement cached, long acknowledged, RecoveryReport recovery, PCacheStatus status)
    {
        Say(string.Empty);
        Say($"{string.Empty,-22}{"writes/s",12}{"median",12}{"99 %",12}");
        Say(alone.Row("backing alone"));
        Say(cached.Row("with the cache"));
        Say(string.Empty);
        Say($"{"acknowledged by the killed writer",-40}{acknowledged,12} writes");
        Say($"{"recovery",-40}{recovery.Elapsed.TotalMilliseconds,12:F1} ms, {recovery.LiveKeys} keys");
        Say($"{"written back after it",-40}{SizeText.Rounded(status.WritebackBytes),12}");
        Say($"{"acknowledged writes lost",-40}{(_sound ? "0" : "see above"),12}");
        Say(_sound ? "All proofs hold." : "A proof FAILED: see the lines with NO above.");
    }

    private void Say(FormattableString text) => Say(text.ToString(CultureInfo.InvariantCulture));

    private void Say(string text) => _context.WriteLine(text);

    private sealed record Measurement(LatencyHistogram Histogram, TimeSpan Elapsed)
    {
        public string Row(string name) => string.Create(
            CultureInfo.InvariantCulture,
            $"{name,-22}{Histogram.Count / Elapsed.TotalSeconds,12:N0}"
            + $"{Time(Histogram.Percentile(0.5)),12}{Time(Histogram.Percentile(0.99)),12}");

        private static string Time(long nanoseconds) => nanoseconds < 1_000_000
            ? string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e3:F1} us")
            : string.Create(CultureInfo.InvariantCulture, $"{nanoseconds / 1e6:F1} ms");
    }

    private sealed class Reporter(ProgressBar bar) : IProgress<DrainProgress>
    {
        public void Report(DrainProgress value) =>
            bar.Report(value.WrittenBytes, value.WrittenBytes + value.RemainingBytes);
    }
}
