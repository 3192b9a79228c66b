// Keeps true: plain and cached get the same writes in the same order; the time of the cached ones ends when everything is durable on the backing, the cache is
// closed, and nothing is left beside the backing.
using System.Diagnostics;
using System.Globalization;
using PCache.Benchmarks.Compare;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Tool;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Scenarios;

/// <summary>A program that flushes after every few pages, drain and close counted in: at each level of what the backing alone is worth.</summary>
internal static class CommitsScenario
{
    private const int Commits = 2000;
    private const int QuickCommits = 200;
    private const int PagesPerCommit = 3;
    private const int HotPages = 512;
    private const long DeviceBytes = 64 << 20;

    private static readonly TimeSpan PerCall = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan PerFlush = TimeSpan.FromMilliseconds(3);

    public static ScenarioResult Run(CompareSettings settings, CancellationToken cancellation)
    {
        var table = new BenchTable("commits", string.Create(CultureInfo.InvariantCulture, $"Commits of {PagesPerCommit} pages of 4 KiB with a flush each, drain and close counted in"),
        [
            new("storage", "storage"), new("level", "level"), new("commits", "commits"), new("seconds", "seconds", 3), new("ratio", "times as fast as plain", 1), new("closeMilliseconds", "drain and close ms", 1),
            new("calls", "calls of the backing"), new("flushes", "flushes"), new("bytes", "bytes to the backing"), new("journalBytes", "bytes to the journal"),
        ]);
        int commits = settings.Quick ? QuickCommits : Commits;
        DirectoryInfo directory = BenchPlaces.NewDirectory(settings.DiskDirectory);
        try
        {
            string path = BenchPlaces.CreateFile(Path.Combine(directory.FullName, "backing"), DeviceBytes);
            string journal = BenchPlaces.CreateFile(Path.Combine(directory.FullName, "journal"), 4096);
            foreach ((string storage, Func<SlowStorage> open, Func<SlowStorage> openJournal) in new (string, Func<SlowStorage>, Func<SlowStorage>)[]
            {
                ("1 ms a call, 3 ms a flush", () => new(BlockDevice.FromMemory(DeviceBytes), PerCall, PerFlush), () => new(BlockDevice.FromMemory(4096), PerCall, PerFlush)),
                ("file", () => new(BlockDevice.OpenFile(path), default, default), () => new(BlockDevice.OpenFile(journal), default, default)),
            })
            {
                double plain = Plain(storage, open, commits, table, cancellation);
                foreach (BackingConsistency level in Enum.GetValues<BackingConsistency>())
                {
                    Cached(settings, storage, open, openJournal, level, commits, plain, table, cancellation);
                }
            }
        }
        finally
        {
            directory.Delete(recursive: true);
        }

        return new ScenarioResult("commits", "Small commits, each flushed, at each level of what the backing alone is worth.", [table], [])
        {
            Notes = ["The cache is in memory, and large enough for all commits; write-back begins at once. The journal is on storage of the same kind."],
        };
    }

    private static double Plain(string storage, Func<SlowStorage> open, int commits, BenchTable table, CancellationToken cancellation)
    {
        using SlowStorage device = open();
        byte[] page = ScenarioCache.RandomPage();
        long start = Stopwatch.GetTimestamp();
        Write(device, commits, page, cancellation);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        table.Add(storage, "plain", commits, seconds, null, null, device.Calls, device.Flushes, device.WrittenBytes, null);
        return seconds;
    }

    private static void Cached(
        CompareSettings settings, string storage, Func<SlowStorage> open, Func<SlowStorage> openJournal, BackingConsistency level, int commits, double plain, BenchTable table, CancellationToken cancellation)
    {
        using SlowStorage backing = open();
        using SlowStorage journal = openJournal();
        using PmemRegion region = PmemMemory.Allocate(ScenarioCache.RegionBytes((long)commits * PagesPerCommit * ScenarioCache.PageBytes));
        region.WriteZeros(0, region.LengthBytes);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = 1 << 20,
            PayloadCrc = settings.DataCrc,
            WritebackDelay = TimeSpan.Zero,
            BackingConsistency = level,
            CheckpointJournal = journal,
            BackingFingerprintBlocks = 0,
            LeaveBackingOpen = true,
            LeaveRegionOpen = true,
        };
        PCacheDevice device = PCacheDevice.Create(region, backing, options);
        byte[] page = ScenarioCache.RandomPage();
        (long calls, long flushes, long bytes) = (backing.Calls, backing.Flushes, backing.WrittenBytes);
        long start = Stopwatch.GetTimestamp();
        Write(device, commits, page, cancellation);
        long written = Stopwatch.GetTimestamp();
        device.Drain(null, cancellation);
        device.Dispose();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        table.Add(
            storage, level.ToString(), commits, seconds, plain / seconds, Stopwatch.GetElapsedTime(written).TotalMilliseconds,
            backing.Calls - calls, backing.Flushes - flushes, backing.WrittenBytes - bytes, journal.WrittenBytes);
    }

    /// <summary>As a database does: one page that changes each time, two of a working set.</summary>
    private static void Write(IBlockDevice device, int commits, byte[] page, CancellationToken cancellation)
    {
        var random = new Random(1);
        for (int i = 0; i < commits; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            device.Write(0, page);
            for (int j = 1; j < PagesPerCommit; j++)
            {
                device.Write((long)random.Next(1, HotPages) * ScenarioCache.PageBytes, page);
            }

            device.Flush();
        }
    }

    /// <summary>Storage of which each call takes its time, and is counted.</summary>
    private sealed class SlowStorage(IBlockDevice inner, TimeSpan perCall, TimeSpan perFlush) : DelegatingDevice(inner)
    {
        private long _calls;
        private long _flushes;
        private long _writtenBytes;

        public long Calls => Volatile.Read(ref _calls);

        public long Flushes => Volatile.Read(ref _flushes);

        public long WrittenBytes => Volatile.Read(ref _writtenBytes);

        public override void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
        {
            Count(buffer.Length);
            Take(perCall);
            base.Write(offset, buffer, durability);
        }

        public override async ValueTask WriteAsync(
            long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
        {
            Count(buffer.Length);
            if (perCall > TimeSpan.Zero)
            {
                await Task.Run(() => Take(perCall), cancellationToken).ConfigureAwait(false);
            }

            await base.WriteAsync(offset, buffer, durability, cancellationToken).ConfigureAwait(false);
        }

        public override void Flush()
        {
            Count(0);
            _ = Interlocked.Increment(ref _flushes);
            Take(perFlush);
            base.Flush();
        }

        private static void Take(TimeSpan time)
        {
            if (time > TimeSpan.Zero)
            {
                Thread.Sleep(time);
            }
        }

        private void Count(long bytes)
        {
            _ = Interlocked.Increment(ref _calls);
            _ = Interlocked.Add(ref _writtenBytes, bytes);
        }
    }
}
