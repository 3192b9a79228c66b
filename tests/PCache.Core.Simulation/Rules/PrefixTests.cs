using PCache.Core.Inspection;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// After any crash no write is there without all those that had returned before it began: with one thread, what is
/// left is the state after some number of writes, of which the last may be there in part. Appends of many ksets, links
/// in the middle, and drains that fail included.
/// </summary>
public sealed class PrefixTests
{
    private const int Segments = 32;
    private const int Sectors = 64; // of each stripe
    private const int Stripes = 16;
    private const int CutsPerDrain = 4;

    private static readonly RuleChecks Checks = new()
    {
        {
            [
                Rule.LongListLoggedAlone, Rule.KsetBeforePredecessorDurable, Rule.BatchFirstStoredFirst,
                Rule.BatchInParts, Rule.BatchFlagLeftOut, Rule.UnfinishedBatchTakenForDamage,
            ],
            () => AnyCrashLeavesAPrefix(fails: false)
        },
        { Rule.HeadNotCleared, () => AnyCrashLeavesAPrefix(fails: true) },
        { [Rule.DamageTakenForUnfinishedBatch, Rule.PartOfBatchTakenForTheWhole], DestroyedKsetsAreFound },
        { [Rule.YoungKeysTaken, Rule.EpochRaisedLate], CutHoldsNoYoungKeys },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static void AnyCrashLeavesAPrefix(bool fails)
    {
        var random = new Random(5);
        using var cache = new SmallCache(Segments, Stripes * (4L << 20), with: options => options with
        {
            GcThresholdPercent = 0,
            WritebackDelay = TimeSpan.Zero,
            BackingFingerprintBlocks = 0,
        });
        var history = new List<(int Sector, int Count)> { default };
        int flushed = 0;
        int failAt = 0;
        int batches = 0;
        Exception? found = null;
        var append = (SteadyLock)Field(cache.Device.Internals.Writable.Writer.Log, "_appendLock");
        void Hook() => cache.Region.OnDrain(() =>
        {
            bool appends = append.IsHeldByCurrentThread; // else it is one write's payload
            if (!appends && random.Next(300) > 0)
            {
                return;
            }

            for (int i = 0; i < CutsPerDrain && found is null; i++)
            {
                byte[] image = i == 0 ? cache.Region.KillImage()
                    : i == 1 ? FirstStores(cache.Region, random)
                    : cache.Region.PowerCutImage(random);
                found = Record.Exception(() => AssertPrefix(
                    image, cache.Backing.AfterPowerCut(random), cache.Options, history, flushed));
            }

            if (appends && failAt > 0 && --failAt == 0)
            {
                throw new IOException("planned");
            }
        });
        Hook();
        for (int round = 0; round < 6 && found is null; round++)
        {
            // Now evenly, so that many ksets go at once; now nearly all into one stripe, so that its list is long when
            // the others' are short.
            int evenly = round % 3 == 0 ? 100 : 10;
            for (int i = random.Next(250, 1100); i > 0 && found is null; i--)
            {
                int stripe = random.Next(100) < evenly ? random.Next(Stripes) : round % Stripes;
                int sector = random.Next(Sectors);
                int count = random.Next(30) == 0 ? Math.Min(4, Sectors - sector) : 1;
                failAt = fails && random.Next(150) == 0 ? random.Next(1, 4) : failAt;
                history.Add(((stripe * Sectors) + sector, count));
                cache.Device.Put(OffsetOf((stripe * Sectors) + sector), history.Count - 1, count);
            }

            failAt = fails && random.Next(2) == 0 ? random.Next(1, 4) : 0;
            if (Record.Exception(cache.Device.Flush) is null)
            {
                flushed = history.Count - 1;
            }

            failAt = 0;
            if (round % 3 == 2)
            {
                batches += CacheImage.ReadLog(cache.Region, withKeys: false).Ksets.Count(kset => kset.ContinuesBatch);
                cache.Region.BeforeEvent = null;
                cache.Device.Drain();
                cache.Settle();
                flushed = history.Count - 1;
                Hook();
            }
        }

        cache.Region.BeforeEvent = null;
        if (found is not null)
        {
            throw found;
        }

        Assert.True(batches > 20, $"ksets that continue a batch: {batches}");
    }

    /// <summary>What is left if of the open words those of lower addresses are durable: whole ksets too.</summary>
    private static byte[] FirstStores(SimulatedPmem region, Random random)
    {
        var versions = new int[region.Open.Count];
        versions.AsSpan(0, random.Next(versions.Length + 1)).Fill(1);
        using SimulatedPmem left = SimulatedPmem.Allocate(region.LengthBytes);
        left.LoadPowerCut(region, versions);
        return left.KillImage();
    }

    private static long OffsetOf(int sector) => (sector / Sectors * (4L << 20)) + (sector % Sectors * Sector);

    private static void AssertPrefix(
        byte[] image, SimulatedDisk backing, PCacheOptions options, List<(int Sector, int Count)> history, int flushed)
    {
        using PCacheDevice device = PCacheDevice.Open(
            Rig.Load(image), backing, options with { LeaveRegionOpen = false });
        var found = new long[Stripes * Sectors];
        for (int sector = 0; sector < found.Length; sector++)
        {
            found[sector] = device.IdAt(OffsetOf(sector));
        }

        int last = (int)found.Max();
        Assert.InRange(last, flushed, history.Count - 1);
        var expected = new long[found.Length];
        for (int id = 1; id < last; id++)
        {
            expected.AsSpan(history[id].Sector, history[id].Count).Fill(id);
        }

        for (int sector = 0; sector < found.Length; sector++)
        {
            bool ofLast = sector >= history[last].Sector && sector < history[last].Sector + history[last].Count;
            Assert.True(
                found[sector] == expected[sector] || (ofLast && found[sector] == last),
                $"write {last} is there, and sector {sector} is of write {found[sector]} instead of "
                + $"{expected[sector]}; flushed: {flushed}, written: {history.Count - 1}");
        }
    }

    /// <summary>A kset is destroyed in the middle of a batch, or before one, and nothing is lost in silence.</summary>
    private static void DestroyedKsetsAreFound()
    {
        using var cache = new SmallCache(Segments, Stripes * (4L << 20));
        for (int batch = 0; batch < 2; batch++)
        {
            for (int i = 0; i < 350; i++)
            {
                cache.Device.Put(OffsetOf(i % 7 * Sectors) + (i / 7 % Sectors * Sector), i + 1);
            }

            cache.Device.Flush();
        }

        byte[] image = cache.Region.KillImage();
        KsetInfo[] ksets;
        using (PmemRegion whole = Rig.Load(image))
        {
            ksets = [.. CacheImage.ReadLog(whole, withKeys: false).Ksets];
        }

        Assert.Equal([false, true, true, false, true, true], ksets.Select(kset => kset.ContinuesBatch));
        for (int i = 0; i < ksets.Length; i++)
        {
            if (i == 3)
            {
                continue; // the first of the last batch: as an interrupted append leaves it
            }

            byte[] damaged = (byte[])image.Clone();
            damaged[MediaConstants.SegmentsOffset + MediaConstants.SegmentDataOffset
                + (ksets[i].Position.Segment * (long)Rig.SegmentBytes) + ksets[i].Position.Offset + 30] ^= 1;
            using PmemRegion region = Rig.Load(damaged);
            Assert.False(CacheImage.Check(region).IsSound, $"kset {i} is destroyed, and the image counts as sound");
            Assert.ThrowsAny<PCacheCorruptionException>(
                () => PCacheDevice.Open(region, cache.Backing.AfterKill(), cache.Options).Dispose());
        }
    }

    /// <summary>
    /// While an append takes the lists one after the other, another thread writes to one that it has passed, and then
    /// to one that it hasn't.
    /// </summary>
    private static void CutHoldsNoYoungKeys()
    {
        using var cache = new SmallCache(Segments, Stripes * (4L << 20));
        var ids = Enumerable.Range(0, Stripes).Select(stripe => IndexOf(cache.Device).For(stripe).Id).ToArray();
        int early = Array.IndexOf(ids, ids.Min());
        int late = Array.IndexOf(ids, ids.Max());
        for (int stripe = 0; stripe < Stripes; stripe++)
        {
            cache.Device.Put(OffsetOf(stripe * Sectors), 1); // lists without keys are passed over
        }

        int calls = 0;
        Mutation.Between = () =>
        {
            if (++calls != ids.Min() + 1)
            {
                return;
            }

            var other = new Thread(() =>
            {
                cache.Device.Put(OffsetOf(early * Sectors) + Sector, 2);
                cache.Device.Put(OffsetOf(late * Sectors) + Sector, 3);
            })
            { IsBackground = true };
            other.Start();
            other.Join();
        };
        LogWriter log = cache.Device.Internals.Writable.Writer.Log;
        log.AppendAll();
        Mutation.Between = null;
        using PCacheDevice killed = cache.OpenKilledCopy();
        Assert.True(
            killed.IdAt(OffsetOf(late * Sectors) + Sector) != 3 || killed.IdAt(OffsetOf(early * Sectors) + Sector) == 2,
            "a write is in the log without one that had returned before it began");
    }
}
