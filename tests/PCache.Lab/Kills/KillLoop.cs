// Keeps true: after each kill every image is sound and holds every acknowledged write; at the end each cache drains,
// and its backing alone holds everything. The plan of writes and moments comes from the seed; the moments themselves
// are the machine's.
using System.Globalization;
using PCache.Core;
using PCache.Core.Inspection;
using PCache.Core.Pmem;
using PCache.Tool.Kills;

namespace PCache.Lab.Kills;

/// <summary>A promise that a kill has broken.</summary>
internal sealed class KillViolationException(string message) : Exception(message);

/// <summary>
/// A writer process is killed with SIGKILL at a random moment, again and again, always on the same small images, which
/// it writes at once, each in its own way (see <see cref="KillWriters"/>): each kill of the process is a kill for each
/// of them.
/// </summary>
internal sealed class KillLoop : IDisposable
{
    /// <summary>Images that one process writes.</summary>
    public const int Images = 8;

    private const uint Sectors = 1024;
    private const long CacheBytes = 20480 + (6 * 65536);
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(60);

    private readonly KillFolder _folder;
    private readonly WriterSettings _all;
    private readonly Random _random;
    private readonly (WriterSettings Settings, KillVerifier Verifier)[] _images;
    private int _round;

    /// <summary>Makes the images.</summary>
    /// <param name="kind">What kind of kills.</param>
    /// <param name="seed">Seed of what is written.</param>
    public KillLoop(KillKind kind, int seed)
    {
        _folder = new KillFolder(inMemory: !kind.PowerSafe);
        _random = new Random(seed);
        _all = new WriterSettings
        {
            CachePath = _folder["c"],
            BackingPath = _folder["b"],
            Seed = seed,
            Sectors = Sectors,
            Writers = 1,
            PowerSafe = kind.PowerSafe,
            PersistWrites = kind.PersistWrites,
        };
        _images = new (WriterSettings, KillVerifier)[Images];
        for (int i = 0; i < Images; i++)
        {
            WriterSettings settings = KillWriters.SettingsOf(_all, i);
            KillImages.CreateBacking(settings.BackingPath, Sectors);
            KillImages.CreateCache(settings.CachePath, CacheBytes + (i / 4 * (256 << 10)), 64 << 10);
            _images[i] = (settings, new KillVerifier(settings.CreatePlan()));
        }
    }

    /// <summary>Writes acknowledged so far.</summary>
    public long AcknowledgedWrites => _images.Sum(image => image.Verifier.AcknowledgedWrites);

    /// <summary>
    /// Kills so many times, more often where nothing was acknowledged yet, and returns how often: on a busy machine a
    /// writer may be killed before it has done anything.
    /// </summary>
    /// <exception cref="KillViolationException">A promise is broken.</exception>
    public int Kill(int rounds, Action<int>? killed = null, CancellationToken stop = default)
    {
        int done = 0;
        while ((done < rounds || (done < 10 * rounds && AcknowledgedWrites == 0)) && !stop.IsCancellationRequested)
        {
            Kill();
            done++;
            killed?.Invoke(done);
        }

        return done;
    }

    /// <summary>One kill of the process, and so one of each image's writer.</summary>
    /// <exception cref="KillViolationException">A promise is broken.</exception>
    private void Kill()
    {
        string when = string.Create(CultureInfo.InvariantCulture, $"round {_round++} of seed {_all.Seed}");
        uint[] firstIds = [.. _images.Select(image => image.Verifier.BeginWriter())];
        using (WriterProcess writer = WriterProcess.Start(KillWriters.ToArguments(_all, firstIds),
            new KillVerifier(_all.CreatePlan())))
        {
            // One in four may be killed while it still opens its images, or before; the others some time after. The
            // first one gets its time.
            if (_random.Next(4) == 0 && firstIds[0] > 1)
            {
                Thread.Sleep(_random.Next(60, 300));
            }
            else
            {
                bool ready = writer.WaitReady(ReadyTimeout);
                Thread.Sleep(ready ? _random.Next(0, 150) : 0);
                if (!ready)
                {
                    writer.Kill(); // says why, if it ended on its own
                    throw new KillViolationException(when + ": the writer isn't ready");
                }
            }

            writer.Kill();
        }

        for (int i = 0; i < Images; i++)
        {
            (WriterSettings settings, KillVerifier verifier) = _images[i];
            string what = $"{when}, image {i} ({KillWriters.KindOf(i)})";
            KillWriters.TakeAcknowledgements(settings, verifier);
            RequireSound(settings.CachePath, what);
            using PCacheDevice device = KillWriters.Open(settings, readOnly: _random.Next(2) == 0);
            Require(verifier.Verify(device), what);
        }
    }

    /// <summary>Drains the caches, and compares what the backings alone hold.</summary>
    /// <exception cref="KillViolationException">A promise is broken, or nothing was ever acknowledged.</exception>
    public void Finish()
    {
        if (AcknowledgedWrites == 0)
        {
            throw new KillViolationException("Nothing was ever acknowledged.");
        }

        foreach ((WriterSettings settings, KillVerifier verifier) in _images)
        {
            using (PCacheDevice device = KillWriters.Open(settings))
            {
                Require(verifier.Verify(device), "at the end");
                device.Drain();
                if (!device.GetStatus().IsClean)
                {
                    throw new KillViolationException("A drained cache isn't clean.");
                }
            }

            RequireSound(settings.CachePath, "after the drain");
            using IBlockDevice backing = BlockDevice.OpenFile(settings.BackingPath, FileAccess.Read);
            Require(verifier.VerifyExact(backing), "the backing alone");
        }
    }

    public void Dispose() => _folder.Dispose();

    private static void RequireSound(string cachePath, string when)
    {
        using PmemRegion region = PmemFile.Open(cachePath, new PmemFileOptions { ReadOnly = true });
        CheckReport report = CacheImage.Check(region, null);
        if (!report.IsSound)
        {
            throw new KillViolationException($"{when}: {string.Join("; ", report.Findings)}");
        }
    }

    private static void Require(VerifyResult result, string when)
    {
        if (result.Violations > 0)
        {
            throw new KillViolationException(
                $"{when}: {result.Violations} violations: {string.Join(" ", result.Details)}");
        }
    }
}
