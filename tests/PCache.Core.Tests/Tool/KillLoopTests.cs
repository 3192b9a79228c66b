using System.Globalization;
using System.Text.RegularExpressions;
using PCache.Core.Inspection;
using PCache.Core.Pmem;
using PCache.Tool;
using PCache.Tool.Demo;

namespace PCache.Core.Tests.Tool;

/// <summary>
/// A writer process is killed with SIGKILL at a random moment, again and again, always on the same small images, which it writes at once, each in its own way
/// (see <see cref="KillWriters"/>): each kill of the process is a kill for each of them. After each kill every image is sound and every acknowledged write is
/// there. With <c>persistWrites</c> nobody ever flushes, and each write that has returned counts as acknowledged. The long run: <c>PCACHE_KILLS=200 dotnet test -c Release --filter KillLoop</c>; <c>PCACHE_KILL_SEED</c> repeats a plan.
/// </summary>
public sealed class KillLoopTests : IDisposable
{
    private const int DefaultKills = 48;
    private const uint Sectors = 1024;
    private const int Images = 8;
    private const long CacheBytes = 20480 + (6 * 65536);
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(60);
    private readonly ToolDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void KillLoop(bool powerSafe, bool persistWrites)
    {
        // In memory there are many turns of log and segments between two kills; on a disk, flushes and msync take their real time.
        using var directory = new ToolDirectory(inMemory: !powerSafe);
        int rounds = (Number("PCACHE_KILLS", DefaultKills) + (2 * Images) - 1) / (2 * Images);
        int seed = Number("PCACHE_KILL_SEED", 20_000) + (powerSafe ? 1000 : 0) + (persistWrites ? 2000 : 0);
        var random = new Random(seed);
        var all = new WriterSettings { CachePath = directory["c"], BackingPath = directory["b"], Seed = seed, Sectors = Sectors, Writers = 1, PowerSafe = powerSafe, PersistWrites = persistWrites };
        var images = new (WriterSettings Settings, KillVerifier Verifier)[Images];
        for (int i = 0; i < Images; i++)
        {
            WriterSettings settings = KillWriters.SettingsOf(all, i);
            DemoImages.CreateBacking(settings.BackingPath, Sectors);
            DemoImages.CreateCache(settings.CachePath, CacheBytes + (i / 4 * (256 << 10)), 64 << 10);
            images[i] = (settings, new KillVerifier(settings.CreatePlan()));
        }

        // On a busy machine a writer may be killed before it has done anything.
        for (int round = 0; round < rounds || (round < 10 * rounds && images.Sum(image => image.Verifier.AcknowledgedWrites) == 0); round++)
        {
            KillRound(all, images, random, $"round {round} of seed {seed}");
        }

        Assert.True(images.Sum(image => image.Verifier.AcknowledgedWrites) > 0, "Nothing was ever acknowledged.");
        foreach ((WriterSettings settings, KillVerifier verifier) in images)
        {
            using (PCacheDevice device = KillWriters.Open(settings))
            {
                AssertHolds(verifier.Verify(device), "at the end");
                device.Drain();
                Assert.True(device.GetStatus().IsClean);
            }

            AssertSound(settings.CachePath, "after the drain");
            using IBlockDevice backing = BlockDevice.OpenFile(settings.BackingPath, FileAccess.Read);
            AssertHolds(verifier.VerifyExact(backing), "the backing alone");
        }
    }

    [Fact]
    public void A_writer_that_ends_on_its_own_is_an_error()
    {
        var settings = new WriterSettings { CachePath = _directory["missing"], BackingPath = _directory["b"], Seed = 1, Sectors = Sectors };
        DemoImages.CreateBacking(settings.BackingPath, Sectors);
        using WriterProcess writer = WriterProcess.Start(settings, new KillVerifier(settings.CreatePlan()));
        Assert.False(writer.WaitReady(ReadyTimeout));
        ToolException error = Assert.Throws<ToolException>(writer.Kill);
        Assert.Equal(ExitCode.Refused, error.ExitCode);
        Assert.Contains("no cache file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Demo_holds_its_promises_and_cleans_up()
    {
        ToolRun run = ToolRun.Run("demo", "--seconds", "1", "--seed", "5").Expect(0);
        Assert.Contains("All proofs hold.", run.Out, StringComparison.Ordinal);
        Assert.Contains("with the cache", run.Out, StringComparison.Ordinal);
        Assert.DoesNotContain("NO:", run.Out, StringComparison.Ordinal);
        Assert.Empty(run.Error);

        // The run says where its files were; other runs on this machine have theirs beside it.
        Match folder = Regex.Match(run.Out, @"Backing: (?<path>.*pcache-demo-[^/\\]+)");
        Assert.True(folder.Success, run.Out);
        Assert.False(Directory.Exists(folder.Groups["path"].Value));
    }

    [Fact]
    public void Demo_leaves_its_files_where_it_is_told_to()
    {
        ToolRun.Run("demo", "--seconds", "1", "--dir", _directory["demo"]).Expect(0);
        ToolRun.Run("check", _directory["demo/demo-cache.img"], "--backing", _directory["demo/demo-backing.img"]).Expect(0);
        Assert.True(ToolRun.Run("status", _directory["demo/demo-cache.img"], "--json").Expect(0).Json().GetProperty("clean").GetBoolean());
        ToolRun.Run("demo", "--dir", _directory["demo"]).ExpectError(3, "exists already");
    }

    /// <summary>One kill of the process, and so one of each image's writer.</summary>
    private static void KillRound(WriterSettings all, (WriterSettings Settings, KillVerifier Verifier)[] images, Random random, string when)
    {
        uint[] firstIds = [.. images.Select(image => image.Verifier.BeginWriter())];
        using (WriterProcess writer = WriterProcess.Start(KillWriters.ToArguments(all, firstIds), new KillVerifier(all.CreatePlan())))
        {
            // One in four may be killed while it still opens its images, or before; the others some time after. The first one gets its time.
            if (random.Next(4) == 0 && firstIds[0] > 1)
            {
                Thread.Sleep(random.Next(60, 300));
            }
            else
            {
                Assert.True(writer.WaitReady(ReadyTimeout) || Ended(writer), when + ": the writer isn't ready");
                Thread.Sleep(random.Next(0, 150));
            }

            writer.Kill();
        }

        for (int i = 0; i < images.Length; i++)
        {
            (WriterSettings settings, KillVerifier verifier) = images[i];
            string what = $"{when}, image {i} ({KillWriters.KindOf(i)})";
            KillWriters.TakeAcknowledgements(settings, verifier);
            AssertSound(settings.CachePath, what);
            using PCacheDevice device = KillWriters.Open(settings, readOnly: random.Next(2) == 0);
            AssertHolds(verifier.Verify(device), what);
        }
    }

    private static bool Ended(WriterProcess writer)
    {
        // Says why, instead of only that it wasn't ready.
        writer.Kill();
        return false;
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    private static void AssertSound(string cachePath, string when)
    {
        using PmemRegion region = PmemFile.Open(cachePath, new PmemFileOptions { ReadOnly = true });
        CheckReport report = CacheImage.Check(region, null);
        Assert.True(report.IsSound, $"{when}: {string.Join("; ", report.Findings)}");
    }

    private static void AssertHolds(VerifyResult result, string when) =>
        Assert.True(result.Violations == 0, $"{when}: {result.Violations} violations: {string.Join(" ", result.Details)}");
}
