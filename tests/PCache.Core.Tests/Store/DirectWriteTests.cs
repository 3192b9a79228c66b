using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Store;

/// <summary>
/// The commonest write, which has its own short way: overwrites of whole pages and sectors that are in the index. What
/// it does is what the long way does: the
/// same content, counts and keys, in every life that follows; and a failure in the middle of it leaves everything as it
/// was.
/// </summary>
public sealed class DirectWriteTests
{
    private const int Page = 4096;
    private const int Pages = 32;

    [Fact]
    public void Overwrites_of_every_kind_agree_with_a_model_over_many_lives() => TestRuns.ForSeeds(3, seed =>
    {
        var random = new Random(seed);
        using var cache = new SmallCache(24, backingBytes: Pages * Page, with: o =>
            o with { WritebackDelay = TimeSpan.Zero, GcThresholdPercent = 50 });
        byte[] model = new byte[Pages * Page];
        for (int i = 0; i < 1200; i++)
        {
            // Mostly what is in the index already, as a page or in sectors; now and then of other lengths and places,
            // so that places change their form.
            int length = random.Next(8) switch { < 3 => Page, < 6 => 512, 6 => 512 * random.Next(1, 20), _ => Page };
            int at = random.Next(6) > 0 ? random.Next(Pages * Page) / length * length
                : random.Next((Pages * Page) - length) / 512 * 512;
            length = Math.Min(length, model.Length - at);
            byte[] data = Patterns.Make(at, length, i + 1);
            bool fails = random.Next(12) == 0;
            if (fails)
            {
                cache.Region.DrainError = new IOException("planned");
                Assert.Throws<IOException>(() => cache.Device.Write(at, data));
                cache.Region.DrainError = null;
            }
            else
            {
                cache.Device.Write(at, data);
                data.CopyTo(model, at);
            }

            if (random.Next(10) == 0)
            {
                cache.Device.RunMaintenanceStep();
            }

            if (i % 60 == 0)
            {
                IntegrityAudit.Check(cache.Device, cache.Region);
                Rig.AssertSame(model, Rig.ReadAll(cache.Device), $"seed {seed}, step {i}");
            }

            if (i % 300 == 299)
            {
                cache.Device.Flush();
                using (PCacheDevice killed = cache.OpenKilledCopy())
                {
                    Rig.AssertSame(model, Rig.ReadAll(killed), $"seed {seed}, step {i}: after a kill");
                }

                cache.Reopen();
            }
        }

        cache.Device.Drain();
        Rig.AssertSame(model, cache.Backing.Snapshot(), $"seed {seed}: on the backing");
    });

    /// <summary>A key stands where another one stood in the list before: a clean one, from a miss.</summary>
    [Fact]
    public void A_key_has_nothing_of_the_one_that_stood_there_before()
    {
        using var cache = new SmallCache(16, content: Patterns.Make(0, Pages * Page, 1));
        for (int i = 0; i < 4; i++)
        {
            cache.Device.Read(i * Page, new byte[Page]); // clean keys
        }

        cache.Device.Flush(); // the list is empty, its places hold what they held
        for (int i = 0; i < 4; i++)
        {
            // the first opens the list, the others go the short way
            cache.Device.Write(i * Page, Patterns.Make(i * Page, Page, 2));
        }

        Assert.Equal(4, cache.Status.DirtyKeys);
        cache.Device.Drain();
        Rig.AssertSame(Patterns.Make(0, 4 * Page, 2), cache.Backing.Peek(0, 4 * Page), "on the backing");
    }
}
