using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Durability;

/// <summary>
/// The backing alone is, at every moment and also if it lost power, a state of some barrier plus sectors of the writes
/// up to the next one: there is a barrier k such that every sector that may be found there is either its value at
/// barrier k or one written between barriers k and k + 1.
/// </summary>
public sealed class WritebackOrderTests
{
    private const int Sectors = 256;

    [Theory]
    [InlineData(4, 1)]
    [InlineData(8, 8)]
    [InlineData(16, 64)]
    public void The_backing_alone_is_always_a_state_between_two_neighbouring_barriers(int segments, int concurrency) =>
        TestRuns.ForSeeds(6, seed => new Run(seed, segments, concurrency).Play(1200));

    [Fact]
    public void Overwrites_in_later_groups_do_not_hide_earlier_groups()
    {
        var run = new Run(1, 16, 8);
        using (run)
        {
            run.Write(0, 1);
            run.Write(1, 1);
            run.Flush();
            run.Write(0, 1);
            run.Flush();
            run.Write(1, 1);
            run.WriteThrough(2, 1);
            run.Write(0, 3);
            run.Drain();
        }
    }

    private sealed class Run : IDisposable
    {
        private const int FirstSector = (4 << 20) / 512 / 2;
        private readonly int _seed;
        private readonly Random _random;
        private readonly VirtualClock _clock = new();
        private readonly SimulatedDisk _backing = new((4 << 20) + (Sectors / 2 * 512));
        private readonly PCacheDevice _device;
        private readonly List<(long Id, int Barrier)>[] _versions;
        private readonly List<long>[] _possible;
        private long _id;
        private int _barrier;

        public Run(int seed, int segments, int concurrency)
        {
            _seed = seed;
            _random = new Random(seed);
            _versions = [.. Enumerable.Range(0, Sectors).Select(_ => new List<(long, int)> { (0, 0) })];
            _possible = [.. Enumerable.Range(0, Sectors).Select(_ => new List<long> { 0 })];
            _device = PCacheDevice.Create(
                SimulatedPmem.Allocate(Rig.RegionLength(segments)),
                _backing,
                new PCacheOptions
                {
                    SegmentSizeBytes = Rig.SegmentBytes,
                    PayloadCrc = seed % 2 == 0,
                    Maintenance = MaintenanceMode.Manual,
                    TimeProvider = _clock,
                    WritebackConcurrency = concurrency,
                    WritebackDelay = TimeSpan.FromSeconds(1),
                });
            _backing.AfterCall = Check;
        }

        public void Play(int operations)
        {
            using (this)
            {
                for (int i = 0; i < operations; i++)
                {
                    int first = _random.Next(Sectors);
                    int count = Math.Min(_random.Next(1, 24), Sectors - first);
                    switch (_random.Next(20))
                    {
                        case < 11:
                            Write(first, count);
                            break;
                        case 11:
                            WriteThrough(first, count);
                            break;
                        case < 15:
                            Flush();
                            break;
                        case 15:
                            _clock.Advance(TimeSpan.FromMilliseconds(_random.Next(2500)));
                            break;
                        case 16 when _random.Next(10) == 0:
                            Drain();
                            break;
                        default:
                            for (int step = _random.Next(8); step > 0; step--)
                            {
                                _device.RunMaintenanceStep();
                            }

                            break;
                    }
                }

                Drain();
            }
        }

        public void Write(int sector, int count) => _device.Write(Offset(sector), Enter(sector, count));

        public void WriteThrough(int sector, int count)
        {
            _device.Write(Offset(sector), Enter(sector, count), WriteDurability.ForceUnitAccess);
            _barrier++;
        }

        public void Flush()
        {
            _device.Flush();
            _barrier++;
        }

        public void Drain()
        {
            _device.Drain();
            _barrier++;
            byte[] content = _backing.Snapshot();
            for (int s = 0; s < Sectors; s++)
            {
                long id = Patterns.IdOf(content.AsSpan((int)Offset(s), 512), Offset(s));
                Assert.True(id == _versions[s][^1].Id,
                    $"seed {_seed}: after a drain sector {s} is of write {id}, expected {_versions[s][^1].Id}");
            }
        }

        public void Dispose()
        {
            _backing.AfterCall = null;
            _device.Dispose();
        }

        private static long Offset(int sector) =>
            (FirstSector + (long)sector + (sector >= Sectors / 2 ? FirstSector - (Sectors / 2) : 0)) * 512;

        private byte[] Enter(int sector, int count)
        {
            // A write doesn't cross from the first half of the sectors to the second: they aren't neighbours on the
            // device.
            if (sector < Sectors / 2 && sector + count > Sectors / 2)
            {
                count = (Sectors / 2) - sector;
            }

            _id++;
            for (int s = sector; s < sector + count; s++)
            {
                _versions[s].Add((_id, _barrier));
            }

            return Patterns.Make(Offset(sector), count * 512, _id);
        }

        private void Check(DiskCall call)
        {
            if (call.Operation is not (DiskOperation.Write or DiskOperation.WriteZeroes or DiskOperation.Flush))
            {
                return;
            }

            byte[][] content = [_backing.Peek(Offset(0), Sectors / 2 * 512),
                _backing.Peek(Offset(Sectors / 2), Sectors / 2 * 512)];
            int low = 0;
            int high = int.MaxValue;
            string lowWhy = "";
            string highWhy = "";
            for (int s = 0; s < Sectors; s++)
            {
                long offset = Offset(s);
                long id = Patterns.IdOf(content[s / (Sectors / 2)].AsSpan(s % (Sectors / 2) * 512, 512), offset);
                if (call.Operation == DiskOperation.Flush)
                {
                    _possible[s].Clear();
                }

                if (!_possible[s].Contains(id))
                {
                    _possible[s].Add(id);
                }

                foreach (long possible in _possible[s])
                {
                    int at = _versions[s].FindIndex(v => v.Id == possible);
                    Assert.True(at >= 0,
                        $"seed {_seed}: sector {s} on the backing is of write {possible}, which never wrote it");
                    if (at > 0 && _versions[s][at].Barrier > low)
                    {
                        low = _versions[s][at].Barrier;
                        lowWhy = $"sector {s} may hold write {possible} of group {low}";
                    }

                    if (at + 1 < _versions[s].Count && _versions[s][at + 1].Barrier < high)
                    {
                        high = _versions[s][at + 1].Barrier;
                        highWhy =
                            $"sector {s} may hold write {possible} though write {_versions[s][at + 1].Id} of group "
                            + $"{high} followed";
                    }
                }
            }

            Assert.True(low <= high, $"seed {_seed}, {call}: {lowWhy}, while {highWhy}");
        }
    }
}
