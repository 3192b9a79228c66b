using System.Diagnostics;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Concurrency;

/// <summary>
/// Real threads over a small hot range. Keeps true: every sector read is whole, and not older than the latest write that had returned before the read
/// began. Longer: PCACHE_TEST_SECONDS.
/// </summary>
public sealed class HotRangeTests
{
    private const int Sectors = 192;
    private const long Base = (4 << 20) - (Sectors / 2 * 512);

    [Theory]
    [InlineData(4, true, false, RegionKind.Memory)]
    [InlineData(8, true, true, RegionKind.Memory)]
    [InlineData(16, false, false, RegionKind.Memory)]
    [InlineData(16, true, true, RegionKind.Assumed)]
    [InlineData(8, true, false, RegionKind.PowerSafe)]
    public async Task Every_sector_read_is_whole_and_not_stale(int segments, bool crc, bool asynchronous, RegionKind kind)
    {
        using var rig = new Rig(
            kind,
            BackingKind.Memory,
            segments,
            (4 << 20) + (1 << 20),
            new PCacheOptions { WritebackDelay = TimeSpan.Zero, KsetTimeout = TimeSpan.FromMilliseconds(5) },
            crc);
        var run = new Run(rig.Device, TimeSpan.FromSeconds(Math.Max(1.0, TestRuns.Seconds)));
        Task[] workers =
        [
            .. Enumerable.Range(0, 3).Select(w => asynchronous ? Task.Run(() => run.WriteAsync(w)) : Eventually.Thread(() => run.Write(w))),
            .. Enumerable.Range(0, 3).Select(w => asynchronous ? Task.Run(() => run.ReadAsync(w)) : Eventually.Thread(() => run.Read(w))),
            Eventually.Thread(run.Flush),
            Eventually.Thread(run.Evict),
        ];
        Task all = Task.WhenAll(workers);
        Task ended = await Task.WhenAny(all, Task.Delay(run.Time + TestRuns.HangLimit));
        Assert.True(ended == all, $"hangs after {run.Writes} writes, {run.Reads} reads: {rig.Device.GetStatus()}");
        await all;
        Assert.True(run.Reads > 0 && run.Writes > 0);

        byte[] final = run.CheckFinal();
        rig.Device.Flush();
        using (PCacheDevice copy = rig.OpenKilledCopy())
        {
            Rig.AssertSame(final, ReadHot(copy), "after a kill");
        }

        rig.Device.Drain();
        Rig.AssertSame(final, rig.Scripted!.Peek(Base, Sectors * 512), "on the backing");
        Rig.AssertSame(final, ReadHot(rig.Device), "after the drain");
    }

    private static byte[] ReadHot(PCacheDevice device)
    {
        var bytes = new byte[Sectors * 512];
        Assert.Equal(bytes.Length, device.Read(Base, bytes));
        return bytes;
    }

    private sealed class Run(PCacheDevice device, TimeSpan time)
    {
        private const int MaxWrites = 1 << 24;

        // When each write ended, in ticks of a common counter (0: not yet); per sector the latest start among those that have ended.
        private readonly long[] _ended = new long[(int)Math.Min(MaxWrites, 300_000 * Math.Max(2, time.TotalSeconds))];
        private readonly long[] _latestStart = new long[Sectors];
        private readonly Stopwatch _watch = Stopwatch.StartNew();
        private long _ticks;
        private long _ids;
        private long _reads;
        private volatile bool _failed;

        public TimeSpan Time => time;

        public long Writes => Interlocked.Read(ref _ids);

        public long Reads => Interlocked.Read(ref _reads);

        private bool IsOver => _failed || _watch.Elapsed > time || Interlocked.Read(ref _ids) > _ended.Length - 100;

        public void Write(int worker) => Guard(() =>
        {
            var random = new Random(worker);
            while (!IsOver)
            {
                (int sector, int count, long id, long start, byte[] bytes) = NextWrite(random);
                device.Write(Base + (sector * 512), bytes, Durability(random));
                WriteEnded(sector, count, id, start);
            }
        });

        public async Task WriteAsync(int worker)
        {
            try
            {
                var random = new Random(worker);
                while (!IsOver)
                {
                    (int sector, int count, long id, long start, byte[] bytes) = NextWrite(random);
                    await device.WriteAsync(Base + (sector * 512), bytes, Durability(random));
                    WriteEnded(sector, count, id, start);
                }
            }
            catch
            {
                _failed = true;
                throw;
            }
        }

        public void Read(int worker) => Guard(() =>
        {
            var random = new Random(100 + worker);
            while (!IsOver)
            {
                (int sector, int count, long[] least, byte[] bytes) = NextRead(random);
                Assert.Equal(bytes.Length, device.Read(Base + (sector * 512), bytes));
                Check(sector, count, least, bytes);
            }
        });

        public async Task ReadAsync(int worker)
        {
            try
            {
                var random = new Random(100 + worker);
                while (!IsOver)
                {
                    (int sector, int count, long[] least, byte[] bytes) = NextRead(random);
                    Assert.Equal(bytes.Length, await device.ReadAsync(Base + (sector * 512), bytes));
                    Check(sector, count, least, bytes);
                }
            }
            catch
            {
                _failed = true;
                throw;
            }
        }

        public void Flush() => Guard(() =>
        {
            while (!IsOver)
            {
                device.Flush();
                _ = device.GetStatus();
                Thread.Sleep(1);
            }
        });

        /// <summary>Fills the cache with other things, so that segments are reclaimed and the hot range is read from the backing again.</summary>
        public void Evict() => Guard(() =>
        {
            var bytes = new byte[16384];
            for (int i = 0; !IsOver; i++)
            {
                device.Write(i % 40 * 65536, bytes);
                _ = device.Read(((i * 7) % 50) * 65536, bytes.AsSpan(0, 8192));
                if (i % 10 == 0)
                {
                    Thread.Sleep(1);
                }
            }
        });

        public byte[] CheckFinal()
        {
            long[] least = (long[])_latestStart.Clone();
            byte[] bytes = ReadHot(device);
            Check(0, Sectors, least, bytes);
            return bytes;
        }

        private static WriteDurability Durability(Random random) => random.Next(20) == 0 ? WriteDurability.ForceUnitAccess : WriteDurability.Normal;

        private void Guard(Action action)
        {
            try
            {
                action();
            }
            catch
            {
                _failed = true;
                throw;
            }
        }

        private (int Sector, int Count, long Id, long Start, byte[] Bytes) NextWrite(Random random)
        {
            int sector = random.Next(Sectors);
            int count = Math.Min(random.Next(1, 20), Sectors - sector);
            long id = Interlocked.Increment(ref _ids);
            byte[] bytes = Patterns.Make(Base + (sector * 512), count * 512, id);
            return (sector, count, id, Interlocked.Increment(ref _ticks), bytes);
        }

        private void WriteEnded(int sector, int count, long id, long start)
        {
            Volatile.Write(ref _ended[id], Interlocked.Increment(ref _ticks));
            for (int s = sector; s < sector + count; s++)
            {
                long seen = Volatile.Read(ref _latestStart[s]);
                while (seen < start)
                {
                    long was = Interlocked.CompareExchange(ref _latestStart[s], start, seen);
                    if (was == seen)
                    {
                        break;
                    }

                    seen = was;
                }
            }
        }

        private (int Sector, int Count, long[] Least, byte[] Bytes) NextRead(Random random)
        {
            int sector = random.Next(Sectors);
            int count = Math.Min(random.Next(1, 30), Sectors - sector);
            var least = new long[count];
            for (int i = 0; i < count; i++)
            {
                least[i] = Volatile.Read(ref _latestStart[sector + i]);
            }

            return (sector, count, least, new byte[count * 512]);
        }

        private void Check(int sector, int count, long[] least, byte[] bytes)
        {
            Interlocked.Increment(ref _reads);
            for (int i = 0; i < count; i++)
            {
                long offset = Base + ((sector + i) * 512);
                ReadOnlySpan<byte> found = bytes.AsSpan(i * 512, 512);
                long id = Patterns.IdOf(found, offset);
                Assert.True(id >= 0 && id < _ended.Length, $"sector {sector + i} is {Patterns.Describe(found, offset)}");
                long ended = id == 0 ? 0 : Volatile.Read(ref _ended[id]);
                bool stale = id == 0 ? least[i] > 0 : ended != 0 && ended < least[i];
                Assert.False(stale, $"sector {sector + i} holds write {id}, which ended at {ended}: a write that began at {least[i]} had returned before the read began");
            }
        }
    }
}
