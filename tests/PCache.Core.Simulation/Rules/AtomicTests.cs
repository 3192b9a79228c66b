using PCache.Core.Ksets;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;
using static PCache.Core.Simulation.Rules.Small;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// Batches are whole or absent: in what any crash leaves, on the backing at the end of each group of write-back, and to
/// reads in whose middle they come.
/// </summary>
public sealed class AtomicTests
{
    private const int Segments = 24;
    private const int Sectors = 32; // of each stripe
    private const int Stripes = 12;
    private const int All = Sectors * Stripes;
    private const WriteDurability Normal = WriteDurability.Normal;
    private const BatchAtomicity Whole = BatchAtomicity.All;

    private static readonly RuleChecks Checks = new()
    {
        { Rule.GroupEndsInsideBatch, BatchesAreWholeOrAbsent },
        { Rule.BatchOfTwoEpochs, AppendTakesAllOfABatch },
        { Rule.ReadMissesBatch, ReadHasAllOfABatch },
    };

    public static TheoryData<string> Rules => Checks.Names;

    [Theory]
    [MemberData(nameof(Rules))]
    public void Breaking_it_is_found(string rule) => Checks.AssertFound(rule);

    private static BlockWrite Of(long offset, long id) => new(offset, Patterns.Make(offset, Sector, id));

    private static long OffsetOf(int sector) => (sector / Sectors * (4L << 20)) + (sector % Sectors * Sector);

    /// <summary>One thread: what is left is the state after some number of batches, exactly.</summary>
    private static void BatchesAreWholeOrAbsent()
    {
        var random = new Random(3);
        using var cache = new SmallCache(
            Segments, Stripes * (4L << 20), with: options => options with
            {
                GcThresholdPercent = 0,
                WritebackDelay = TimeSpan.Zero,
                WritebackGroupBytes = 64 << 10,
                BackingFingerprintBlocks = 0,
            });
        var history = new List<int[]> { Array.Empty<int>() };
        int flushed = 0;
        Exception? found = null;
        var append = (SteadyLock)Field(cache.Device.Internals.Writable.Writer.Log, "_appendLock");
        void Hook() => cache.Region.OnDrain(() =>
        {
            if (!append.IsHeldByCurrentThread && random.Next(40) > 0)
            {
                return;
            }

            for (int i = 0; i < 3 && found is null; i++)
            {
                byte[] image = i == 0 ? cache.Region.KillImage() : cache.Region.PowerCutImage(random);
                found = Record.Exception(() =>
                {
                    using PCacheDevice left = PCacheDevice.Open(
                        Rig.Load(image), cache.Backing.AfterPowerCut(random),
                        cache.Options with { LeaveRegionOpen = false });
                    int last = AssertPrefix(sector => left.IdAt(OffsetOf(sector)), history);
                    Assert.InRange(last, flushed, history.Count - 1);
                });
            }
        });
        Hook();
        for (int round = 0; round < 60 && found is null; round++)
        {
            for (int i = random.Next(1, 5); i > 0 && found is null; i--)
            {
                int most = random.Next(3) == 0 ? random.Next(140, 260) : random.Next(1, 9);
                int[] sectors = [.. Enumerable.Range(0, most).Select(_ => random.Next(All)).Distinct()];
                history.Add(sectors);
                int id = history.Count - 1;
                cache.Device.WriteBatch(
                    [.. sectors.Select(sector => Of(OffsetOf(sector), id))], Normal, Whole);
            }

            if (random.Next(2) == 0)
            {
                cache.Device.Flush();
                flushed = history.Count - 1;
            }

            cache.Region.BeforeEvent = null;
            for (int i = random.Next(6); i > 0 && found is null; i--)
            {
                _ = cache.Device.RunMaintenanceStep();
                AssertPrefix(sector => cache.Backing.IdAt(OffsetOf(sector)), history);
            }

            Hook();
        }

        cache.Region.BeforeEvent = null;
        if (found is not null)
        {
            throw found;
        }

        Assert.Equal(history.Count - 1, AssertPrefix(sector => cache.Device.IdAt(OffsetOf(sector)), history));
        cache.Device.Drain();
        Assert.Equal(history.Count - 1, AssertPrefix(sector => cache.Backing.IdAt(OffsetOf(sector)), history));
    }

    /// <summary>Returns the last batch that is there.</summary>
    private static int AssertPrefix(Func<int, long> idAt, List<int[]> history)
    {
        long[] found = [.. Enumerable.Range(0, All).Select(idAt)];
        int last = (int)found.Max();
        var expected = new long[All];
        for (int id = 1; id <= last; id++)
        {
            foreach (int sector in history[id])
            {
                expected[sector] = id;
            }
        }

        for (int sector = 0; sector < All; sector++)
        {
            Assert.True(
                found[sector] == expected[sector],
                $"batch {last} is there, and sector {sector} is of batch {found[sector]} instead of "
                + $"{expected[sector]}");
        }

        return last;
    }

    /// <summary>An append begins while a batch enters the index.</summary>
    private static void AppendTakesAllOfABatch()
    {
        using var cache = new SmallCache(Segments, Stripes * (4L << 20));
        for (int stripe = 0; stripe < Stripes; stripe++)
        {
            cache.Device.Put(OffsetOf(stripe * Sectors), 1); // lists without keys are passed over
        }

        LogWriter log = cache.Device.Internals.Writable.Writer.Log;
        var epoch = (LogEpoch)Field(log, "_epoch");
        Thread? other = null;
        Mutation.Between = () =>
        {
            Mutation.Between = null;
            long before = epoch.Current;
            other = new Thread(log.AppendAll) { IsBackground = true };
            other.Start();
            bool begun = SpinWait.SpinUntil(() => epoch.Current != before, TestRuns.HangLimit);
            Assert.True(begun, "the append never begins");
        };
        cache.Device.WriteBatch(
            [.. Enumerable.Range(0, Stripes).Select(stripe => Of(OffsetOf(stripe * Sectors), 2))], Normal, Whole);
        Mutation.Between = null;
        if (other is null)
        {
            log.AppendAll();
        }

        other?.Join();
        using PCacheDevice killed = cache.OpenKilledCopy();
        Assert.Single(
            Enumerable.Range(0, Stripes).Select(stripe => killed.IdAt(OffsetOf(stripe * Sectors))).Distinct());
    }

    /// <summary>A batch comes while a read waits for the backing in its middle.</summary>
    private static void ReadHasAllOfABatch()
    {
        using var cache = new SmallCache(Segments, Stripes * (4L << 20));
        cache.Device.Put(0, 1);
        cache.Device.Put(2 * Sector, 1);
        cache.Backing.BeforeCall = Once(DiskOperation.Read, () => cache.Device.WriteBatch(
            [Of(0, 2), Of(2 * Sector, 2)], Normal, Whole));
        byte[] read = new byte[3 * Sector];
        Assert.Equal(read.Length, cache.Device.Read(0, read));
        cache.Backing.BeforeCall = null;
        AssertIs(cache.Device, 0, 2);
        long first = Patterns.IdOf(read.AsSpan(0, Sector), 0);
        Assert.Equal(first, Patterns.IdOf(read.AsSpan(2 * Sector, Sector), 2 * Sector));
    }
}
