using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// Killed, or cut off from power, at every single drain of a workload in which the log goes round and every segment
/// changes its use: what is left is sound, opens, has every flushed sector or a later version of it, and never an older
/// one; and it can be drained.
/// </summary>
public sealed class CrashAtEveryDrainTests
{
    private const int Sectors = 96;
    private const int Rounds = 150;

    [Theory]
    [InlineData(1, true, true)]
    [InlineData(2, true, false)]
    [InlineData(3, false, true)]
    public void Nothing_flushed_is_lost_and_nothing_older_comes_back(int seed, bool drainIsCheap, bool power)
    {
        var random = new Random(seed);
        var allowed = new HashSet<long>[Sectors];
        for (int i = 0; i < Sectors; i++)
        {
            allowed[i] = [0];
        }

        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = true,
            GcThresholdPercent = 30,
            WritebackDelay = TimeSpan.Zero,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = new VirtualClock(),
            LeaveRegionOpen = true,
        };
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(5), drainIsCheap);
        var backing = Disks.Make(Sectors * 512);
        using PCacheDevice device = PCacheDevice.Create(region, backing, options);
        var crash = new Random(seed + 1000);
        int crashes = 0;
        region.BeforeEvent = e =>
        {
            if (e != PmemEvent.Drain)
            {
                return;
            }

            crashes++;
            byte[] image = power ? region.PowerCutImage(crash) : region.KillImage();
            Check(image, power ? backing.AfterPowerCut(crash)
                : backing.AfterKill(), options, allowed, drain: crashes % 7 == 0, $"crash {crashes}");
        };
        long id = 0;
        int log = device.GetStatus().KeyHead.Segment;
        int links = 0;
        for (int round = 0; round < Rounds; round++)
        {
            int writes = drainIsCheap ? random.Next(4) : random.Next(60);
            for (int i = 0; i < writes; i++)
            {
                int sector = random.Next(Sectors);
                int count = Math.Min(1 + random.Next(4), Sectors - sector);
                bool zeros = random.Next(3) == 0;
                long written = zeros ? 0 : ++id;
                for (int s = sector; s < sector + count; s++)
                {
                    allowed[s].Add(written);
                }

                if (zeros)
                {
                    device.WriteZeroes(sector * 512, count * 512);
                }
                else
                {
                    device.Write(sector * 512, Patterns.Make(sector * 512, count * 512, written));
                }

                for (int s = sector; s < sector + count; s++)
                {
                    Later(allowed[s], written);
                }
            }

            if (random.Next(3) != 0)
            {
                device.Flush();
                foreach (HashSet<long> versions in allowed)
                {
                    Flushed(versions);
                }
            }

            _ = device.Read(random.Next(Sectors) * 512, new byte[2048]);
            for (int steps = random.Next(12); steps > 0; steps--)
            {
                device.RunMaintenanceStep();
            }

            int segment = device.GetStatus().KeyHead.Segment;
            links += segment != log ? 1 : 0;
            log = segment;
        }

        region.BeforeEvent = null;
        IntegrityAudit.Check(device, region);
        Assert.InRange(crashes, 100, int.MaxValue);
        Assert.True(device.GetStatus().SegmentsReclaimed > 3, "segments are used again");
        Assert.True(drainIsCheap || links >= 2, $"the log goes round: {links}");
    }

    // The last version written is kept at -2 - version, so that a flush knows it.
    private static void Later(HashSet<long> versions, long written)
    {
        versions.RemoveWhere(v => v < 0);
        versions.Add(-2 - written);
    }

    private static void Flushed(HashSet<long> versions)
    {
        foreach (long version in versions)
        {
            if (version < 0)
            {
                versions.Clear();
                versions.Add(-2 - version);
                return;
            }
        }
    }

    private static void Check(byte[] image, SimulatedDisk backing, PCacheOptions options, HashSet<long>[] allowed,
        bool drain, string when)
    {
        using PmemRegion copy = Rig.Load(image);
        ImageChecks.AssertSound(copy);
        using PCacheDevice device = PCacheDevice.Open(copy, backing, options);
        byte[] all = Rig.ReadAll(device);
        for (int s = 0; s < Sectors; s++)
        {
            ReadOnlySpan<byte> sector = all.AsSpan(s * 512, 512);
            Assert.True(allowed[s].Contains(Patterns.IdOf(sector, s * 512)),
                $"{when}: sector {s} is {Patterns.Describe(sector, s * 512)}, allowed are "
                + $"{string.Join(", ", allowed[s].Where(v => v >= 0))}");
        }

        if (drain)
        {
            device.Drain();
            Rig.AssertSame(all, backing.Snapshot(), $"{when}: drained");
            IntegrityAudit.Check(device, copy);
        }
    }
}
