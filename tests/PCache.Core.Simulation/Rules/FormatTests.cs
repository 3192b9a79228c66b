using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Tests.Support;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// Power cuts at every drain of a format. What is left is the old cache whole, the new one whole and bound, or says
/// that it isn't formatted; and wherever a cache info says that formatting was done, everything but the superblock is
/// there.
/// </summary>
public sealed class FormatTests
{
    private const int Cuts = 40;
    private const int BackingBytes = 1 << 20;
    private static readonly Guid Old = new(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
    private static readonly Guid New = new(2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2);

    private static readonly RuleChecks Checks = new()
    {
        {
            [Rule.SuperblockNotZeroedFirst, Rule.SuperblockWrittenFirst, Rule.ExtensionAfterSuperblock,
                Rule.FormatUnderOneFence],
            InterruptedFormatIsNoCache
        },
        { Rule.CacheInfoBeforeTails, InitialisedMeansAllIsThere },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static PCacheOptions Options(Guid identity) => new()
    {
        SegmentSizeBytes = Rig.SegmentBytes,
        PayloadCrc = true,
        BackingIdentity = identity,
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = new VirtualClock(),
        LeaveRegionOpen = true,
        OverwriteExisting = true,
    };

    private static void InterruptedFormatIsNoCache()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        using (PCacheDevice device = PCacheDevice.Create(region, Disks.Make(BackingBytes), Options(Old)))
        {
            device.Put(0, 1);
            device.SetGcThreshold(33);
        }

        var seen = new HashSet<Guid>();
        CutAtEveryDrain(region, image =>
        {
            try
            {
                using PmemRegion copy = Rig.Load(image);
                MediaState media = MediaLoader.Load(copy);
                Guid identity = media.Extension?.BackingIdentity.ToGuid() ?? Guid.Empty;
                seen.Add(identity);
                using PCacheDevice device = PCacheDevice.Open(copy, Disks.Make(BackingBytes), Options(identity));
                Assert.Equal(identity == Old ? 1 : 0, device.IdAt(0));
                Assert.True(identity == Old || identity == New, $"bound to {identity}");
            }
            catch (PCacheNotFormattedException)
            {
                seen.Add(Guid.Empty);
            }
        });
        Assert.Equal([Old, New, Guid.Empty], seen.OrderBy(id => id == Guid.Empty).ThenBy(id => id == New));
    }

    private static void InitialisedMeansAllIsThere()
    {
        using SimulatedPmem done = SimulatedPmem.Allocate(Rig.RegionLength(6));
        PCacheDevice.Create(done, Disks.Make(BackingBytes), Options(New)).Dispose();
        byte[] superblock = done.ReadSpan(MediaConstants.SuperblockOffset, MediaConstants.BlockSize).ToArray();
        int initialised = 0;
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(6));
        CutAtEveryDrain(region, image =>
        {
            superblock.CopyTo(image, MediaConstants.SuperblockOffset);
            using PmemRegion copy = Rig.Load(image);
            if (Replicas.Read(copy, MediaConstants.CacheInfoOffset, MediaConstants.CacheInfoStride, out CacheInfo _,
                out _, out _) is ReplicaOutcome.One or ReplicaOutcome.Both)
            {
                initialised++;
                Assert.NotNull(MediaLoader.Load(copy).Extension);
            }
        });
        Assert.True(initialised > 0);
    }

    private static void CutAtEveryDrain(SimulatedPmem region, Action<byte[]> check)
    {
        var random = new Random(5);
        region.OnDrain(() =>
        {
            for (int i = 0; i < Cuts; i++)
            {
                check(region.PowerCutImage(random));
            }
        });
        PCacheDevice.Create(region, Disks.Make(BackingBytes), Options(New)).Dispose();
    }
}
