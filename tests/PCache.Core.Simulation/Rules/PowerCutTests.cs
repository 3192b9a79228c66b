using System.Runtime.InteropServices;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// Power cuts at the drains of a workload in which the log goes round several times: what is left opens, has of each
/// sector what was flushed last or what was written since, and no whole kset of an earlier use where the log ends:
/// Linux, which knows no numbers, would follow it.
/// </summary>
public sealed class PowerCutTests
{
    private const int Segments = 6;
    private const int Sectors = 192;
    private const int Stripes = 16;

    private static readonly RuleChecks Checks = new()
    {
        {
            [
                Rule.PayloadBeforeKset, Rule.PayloadNotFlushed, Rule.LogSegmentNotZeroed,
                Rule.FlushReturnsBeforeDrain, Rule.BackingNotFlushed, Rule.LatestReplicaOverwritten,
            ],
            () => CutAtDrains(restEvery: 1, cutsAtLink: 1)
        },
        // the next log segment isn't zeroed ahead of time then
        { [Rule.ZeroingNotDrained, Rule.LinkBeforeTargetZeroed], () => CutAtDrains(restEvery: 20, cutsAtLink: 80) },
        { Rule.ZerosTakenForDurable, ZerosAreDurable },
        { Rule.FirstDirtyTailOverLatest, FirstDirtyTailLeavesTheLatest },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static long OffsetOf(int sector) => ((sector % Stripes) * (4L << 20)) + (sector / Stripes * Sector);

    private static void CutAtDrains(int restEvery, int cutsAtLink)
    {
        var random = new Random(11);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = true,
            GcThresholdPercent = 0,
            WritebackDelay = TimeSpan.Zero,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = new VirtualClock(),
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
            BackingFingerprintBlocks = 0, // the cuts are wanted elsewhere
        };
        var flushed = new long[Sectors];
        var written = new long[Sectors];
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(Segments));
        var backing = Disks.Make(Stripes * (4L << 20));
        PCacheDevice device = PCacheDevice.Create(region, backing, options);
        int cuts = 0;
        bool running = false;
        // what a drain throws may count as a failure of the medium, which maintenance keeps to itself
        Exception? found = null;
        region.OnDrain(() =>
        {
            cuts++;
            for (int i = running && IsLinking(device, region) ? cutsAtLink : 1; i > 0; i--)
            {
                Cut();
            }
        });
        void Cut() => found ??= Record.Exception(
            () => AssertLeft(region.PowerCutImage(random), backing.AfterPowerCut(random), options, flushed, written,
                $"cut {cuts}"));

        int links = 0;
        for (int round = 1; round <= 120; round++)
        {
            int log = device.GetStatus().KeyHead.Segment;
            int fill = KeysThatFill(device.GetStatus().KeyHead);
            running = true;
            for (int sector = 0; sector < Sectors; sector++)
            {
                bool zeros = sector % 24 != round % 24;
                written[sector] = zeros ? 0 : round;
                if (zeros)
                {
                    device.WriteZeroes(OffsetOf(sector), Sector);
                }
                else
                {
                    device.Put(OffsetOf(sector), round);
                }

                if (sector + 1 == fill)
                {
                    device.Flush(); // so that the link stands alone: in a batch it is stored with the rest
                    written.CopyTo(flushed, 0);
                }
            }

            device.Flush();
            written.CopyTo(flushed, 0);
            for (int i = round % restEvery == 0 ? random.Next(40) * restEvery : 0; i > 0; i--)
            {
                device.RunMaintenanceStep();
            }

            links += device.GetStatus().KeyHead.Segment != log ? 1 : 0;
            running = false;
            if (found is not null)
            {
                throw found;
            }

            if (round % 15 == 0)
            {
                device.Dispose();
                device = PCacheDevice.Open(region, backing, options);
            }
        }

        region.BeforeEvent = null;
        device.Dispose();
        Assert.True(links > Segments, $"the log goes round: {links}");
        Assert.InRange(cuts, 1000, 100_000);
    }

    /// <summary>How many keys fill the log's segment up to the link.</summary>
    private static int KeysThatFill(LogPosition head) =>
        (Rig.SegmentBytes - MediaConstants.SegmentDataOffset - head.Offset - (2 * MediaConstants.KsetHeaderSize))
        / MediaConstants.KeySize;

    /// <summary>Whether a last kset stands where the log ends: stored, and about to be drained.</summary>
    private static bool IsLinking(PCacheDevice device, SimulatedPmem region)
    {
        LogPosition head = device.GetStatus().KeyHead;
        long at = MediaConstants.SegmentsOffset + ((long)head.Segment * Rig.SegmentBytes)
            + MediaConstants.SegmentDataOffset + head.Offset;
        KsetHeader header = MemoryMarshal.Read<KsetHeader>(region.ReadSpan(at, MediaConstants.KsetHeaderSize));
        return header.Magic == MediaConstants.KsetMagic && header.IsLast;
    }

    /// <summary>
    /// The dirty tail's older replica is damaged, so it stands in one only, and the first write after an open mustn't
    /// be what destroys that.
    /// </summary>
    private static void FirstDirtyTailLeavesTheLatest()
    {
        var random = new Random(2);
        using var cache = new SmallCache();
        cache.Device.Put(0, 1, forced: true);
        cache.Reopen(change: image =>
        {
            using PmemRegion left = Rig.Load(image);
            Assert.Equal(
                ReplicaOutcome.Both,
                Replicas.Read<PositionRecord>(left, MediaConstants.DirtyTailOffset, MediaConstants.PositionStride,
                    out _, out _, out ReplicaState state));
            image[MediaConstants.DirtyTailOffset + ((1 - state.Latest) * MediaConstants.PositionStride)] ^= 1;
        });
        Exception? found = null;
        cache.Region.OnDrain(() =>
        {
            for (int i = 0; i < 100; i++)
            {
                found ??= Record.Exception(() =>
                {
                    using PCacheDevice left = PCacheDevice.Open(
                        Rig.Load(cache.Region.PowerCutImage(random)), cache.Backing.AfterPowerCut(random),
                            cache.Options with { LeaveRegionOpen = false });
                    AssertIs(left, 0, 1);
                });
            }
        });
        cache.Device.Drain();
        cache.Region.BeforeEvent = null;
        Assert.Null(found);
    }

    /// <summary>Zeros of a process that was killed before it drained them.</summary>
    private static void ZerosAreDurable()
    {
        using SimulatedPmem region = SimulatedPmem.FromImage(Patterns.Make(0, 1 << 16, 1));
        region.WriteZeros(0, 1 << 16);
        RegionZeroing.Zero(region, 0, 1 << 16);
        for (int seed = 0; seed < 20; seed++)
        {
            Assert.False(region.PowerCutImage(new Random(seed)).AsSpan().ContainsAnyExcept((byte)0));
        }
    }

    private static void AssertLeft(byte[] image, SimulatedDisk backing, PCacheOptions options, long[] flushed,
        long[] written, string when)
    {
        using PCacheDevice device = PCacheDevice.Open(Rig.Load(image), backing,
            options with { LeaveRegionOpen = false });
        Assert.True(device.Recovery.LogEnd != LogEnd.Leftover,
            $"{when}: a kset of an earlier use stands where the log ends");
        for (int sector = 0; sector < Sectors; sector++)
        {
            long id = device.IdAt(OffsetOf(sector));
            Assert.True(id == flushed[sector]
                || id == written[sector],
                $"{when}: sector {sector} is of write {id}, flushed was {flushed[sector]}, written since "
                + $"{written[sector]}");
        }
    }
}
