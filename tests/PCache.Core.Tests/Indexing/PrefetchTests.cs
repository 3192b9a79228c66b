using PCache.Core.Indexing;
using PCache.Core.Tests.Support;
using static PCache.Core.Tests.Indexing.Extents;

namespace PCache.Core.Tests.Indexing;

/// <summary>
/// The hint that reads the index without its lock: a wrong step in it ends the process, so that is what these tests
/// look for.
/// </summary>
public class PrefetchTests
{
    [Fact]
    public void Needs_nothing_to_be_there()
    {
        StripeDirectory directory = new();
        directory.Prefetch(0, 0);
        directory.Prefetch(-1, 0);
        directory.GetOrAdd(3);
        directory.Prefetch(3, 8191);
        directory.GetOrAdd(3).Insert(Make(0, 8, 1));
        directory.Prefetch(3, 0);
        directory.Prefetch(3, 4000);
        directory.GetOrAdd(3).Insert(Make(0, 8192, 1));
        directory.Prefetch(3, 0);
        directory.Prefetch(3, 8191);
        directory.Prefetch(long.MaxValue, 8191);
        directory.Validate();
        directory.Dispose();
        directory.Prefetch(3, 0);
    }

    [Fact]
    public void Never_faults_while_the_index_changes()
    {
        // Tables, headers and slots are taken, given back and taken again for one another as fast as one thread can,
        // while others read them at any moment.
        const int Stripes = 3000;
        using StripeDirectory directory = new();
        Race(directory, random => directory.Prefetch(random.Next(Stripes), random.Next(StripeIndex.SectorCount)),
            stop => Change(directory, Stripes, stop));
    }

    [Fact]
    public void Never_faults_while_a_root_changes_its_form()
    {
        // A stripe goes from two chunks to one and back: a reader may see the mask of one form with the root of the
        // other, which is no pointer.
        const int ChunkSectors = 16 * 8;
        using StripeDirectory directory = new();
        StripeIndex index = directory.GetOrAdd(7);
        for (int chunk = 0; chunk < 2; chunk++)
        {
            // Low bits of a pointer: a mask of pages without the first ones looks like an aligned one.
            index.Insert(Make((chunk * ChunkSectors) + 64, (chunk * ChunkSectors) + 72, chunk));
        }

        Race(directory, random => directory.Prefetch(7, random.Next(2) * ChunkSectors), stop =>
        {
            for (int i = 0; !stop.IsCancellationRequested; i++)
            {
                int start = ((i & 1) * ChunkSectors) + 64;
                index.Remove(start, start + 8);
                index.Insert(Make(start, start + 8, i & 0xFFFF));
            }
        });
    }

    private static void Race(StripeDirectory directory, Action<Random> hint, Action<CancellationToken> change)
    {
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(Math.Max(1.5, TestRuns.Seconds)));
        long hints = 0;
        Thread[] readers =
        [
            .. Enumerable.Range(1, 3).Select(seed => new Thread(() =>
            {
                Random random = new(seed);
                long count = 0;
                while (!stop.IsCancellationRequested)
                {
                    for (int i = 0; i < 1000; i++, count++)
                    {
                        hint(random);
                    }
                }

                Interlocked.Add(ref hints, count);
            })),
        ];
        Array.ForEach(readers, reader => reader.Start());
        change(stop.Token);
        Assert.All(readers, reader => Assert.True(reader.Join(TestRuns.HangLimit)));
        Assert.True(hints > 1000);
        directory.Validate();
    }

    private static void Change(StripeDirectory directory, int stripes, CancellationToken stop)
    {
        Random random = new(99);
        while (!stop.IsCancellationRequested)
        {
            int count = random.Next(stripes);
            for (int i = 0; i < count; i++)
            {
                StripeIndex index = directory.GetOrAdd(random.Next(stripes));
                int start = random.Next(StripeIndex.SectorCount - 1);
                int end = Math.Min(StripeIndex.SectorCount, start + 1 + random.Next(1 << random.Next(12)));

                // Rubbish for pointers: whatever bits a slot can have.
                index.Insert(new Extent
                {
                    Start = (ushort)start,
                    Length = (ushort)(end - start),
                    Flags = ExtentFlags.Placeholder,
                    Generation = (ulong)random.NextInt64()
                });
                if (i % 3 == 0)
                {
                    start = random.Next(StripeIndex.SectorCount - 1);
                    index.Remove(start, StripeIndex.SectorCount);
                    directory.RemoveIfEmpty(index.Stripe);
                }
            }

            directory.RemoveFrom(random.Next(3) == 0 ? 0 : random.Next(stripes));
        }
    }
}
