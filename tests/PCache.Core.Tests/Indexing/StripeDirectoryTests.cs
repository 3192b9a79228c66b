using FsCheck;
using FsCheck.Fluent;
using PCache.Core.Indexing;
using static PCache.Core.Tests.Indexing.Extents;

namespace PCache.Core.Tests.Indexing;

public class StripeDirectoryTests
{
    private const long LargestStripe = 1L << 38;

    [Fact]
    public void Finds_what_was_added_and_nothing_else()
    {
        StripeDirectory directory = new();
        Assert.Null(directory.Find(0));
        StripeIndex first = directory.GetOrAdd(0);
        StripeIndex last = directory.GetOrAdd(LargestStripe);
        Assert.NotEqual(first, last);
        Assert.Equal(first, directory.Find(0)!.Value);
        Assert.Equal(first, directory.GetOrAdd(0));
        Assert.Equal(last, directory.Find(LargestStripe)!.Value);
        Assert.Null(directory.Find(1));
        Assert.Equal(2, directory.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => directory.GetOrAdd(-1));
    }

    [Fact]
    public void RemoveIfEmpty_keeps_what_holds_something()
    {
        StripeDirectory directory = new();
        directory.GetOrAdd(5).Insert(Make(0, 8, 1));
        directory.GetOrAdd(6);
        directory.RemoveIfEmpty(5);
        directory.RemoveIfEmpty(6);
        directory.RemoveIfEmpty(7);
        Assert.Equal(1, directory.Count);
        Assert.NotNull(directory.Find(5));
        Assert.Null(directory.Find(6));
    }

    [Fact]
    public void RemoveFrom_drops_everything_behind_the_new_end()
    {
        StripeDirectory directory = new();
        foreach (long stripe in new long[] { 3, 10, 9, 400, LargestStripe, 8 })
        {
            directory.GetOrAdd(stripe).Insert(Make(0, 8, 1));
        }

        directory.RemoveFrom(9);
        Assert.Equal([3, 8], Round(directory).Order());
        directory.RemoveFrom(0);
        Assert.Equal(0, directory.Count);
    }

    [Fact]
    public void A_round_visits_every_stripe_once_and_the_next_round_again()
    {
        StripeDirectory directory = new();
        Assert.Empty(Round(directory));
        for (long stripe = 0; stripe < 100; stripe++)
        {
            directory.GetOrAdd(stripe * 7);
        }

        Assert.Equal(Enumerable.Range(0, 100).Select(i => i * 7L), Round(directory).Order());
        Assert.Equal(100, Round(directory).Count);
    }

    [Fact]
    public void Agrees_with_a_dictionary_and_no_stripe_is_passed_over_in_a_round()
    {
        Gen<(int Kind, long Stripe)> step =
            from kind in Gen.Frequency((6, Gen.Constant(0)), (5, Gen.Constant(1)), (6, Gen.Constant(2)),
                (1, Gen.Constant(3)))
            from stripe in Gen.Choose(0, 40)
            select (kind, stripe >= 36 ? LargestStripe - stripe : stripe);
        Prop.ForAll(step.ArrayOf(200).ToArbitrary(), Run).QuickCheckThrowOnFailure();

        static void Run((int Kind, long Stripe)[] steps)
        {
            StripeDirectory directory = new();
            HashSet<long> model = [];
            HashSet<long> due = [];
            long cursor = 0;
            foreach ((int kind, long stripe) in steps)
            {
                switch (kind)
                {
                    case 0:
                        Assert.Equal(model.Contains(stripe), directory.Find(stripe) is not null);
                        Assert.Equal(stripe, directory.GetOrAdd(stripe).Stripe);
                        model.Add(stripe);
                        break;
                    case 1:
                        directory.RemoveIfEmpty(stripe);
                        model.Remove(stripe);
                        due.Remove(stripe);
                        break;
                    case 2:
                        due = cursor == 0 ? [.. model] : due;
                        if (directory.NextStripe(ref cursor, out long visited, out StripeIndex found))
                        {
                            Assert.Equal(visited, found.Stripe);
                            Assert.Contains(visited, model);
                            due.Remove(visited);
                        }
                        else
                        {
                            Assert.Equal(0, cursor);
                            Assert.Empty(due);
                        }

                        break;
                    default:
                        directory.RemoveFrom(stripe);
                        foreach (long gone in model.Where(key => key >= stripe).ToArray())
                        {
                            model.Remove(gone);
                            due.Remove(gone);
                        }

                        break;
                }

                Assert.Equal(model.Count, directory.Count);
                Assert.Equal(model.Contains(stripe), directory.Find(stripe) is { } there && there.Stripe == stripe);
            }

            Assert.Equal(model.Order(), Round(directory).Order());
        }
    }

    [Fact]
    public void Memory_follows_what_is_cached()
    {
        StripeDirectory directory = new();
        for (long stripe = 0; stripe < 10_000; stripe++)
        {
            directory.GetOrAdd(stripe << 20);
        }

        Assert.InRange(directory.Capacity, 10_000, 20_000);
        for (long stripe = 0; stripe < 9_990; stripe++)
        {
            directory.RemoveIfEmpty(stripe << 20);
        }

        Assert.InRange(directory.Capacity, 10, 40);
        Assert.Equal(Enumerable.Range(9_990, 10).Select(i => (long)i << 20), Round(directory).Order());
    }

    [Fact]
    public void Memory_shrinks_after_a_truncation()
    {
        StripeDirectory directory = new();
        for (long stripe = 0; stripe < 1000; stripe++)
        {
            directory.GetOrAdd(stripe);
        }

        directory.RemoveFrom(20);
        Assert.Equal(20, directory.Count);
        Assert.InRange(directory.Capacity, 20, 64);
    }

    [Fact]
    public void Lookups_and_sweeps_allocate_nothing()
    {
        StripeDirectory directory = new();
        for (long stripe = 0; stripe < 1000; stripe++)
        {
            directory.GetOrAdd(stripe * 64);
        }

        Assert.Equal(1000, Visit(directory));
        long before = GC.GetAllocatedBytesForCurrentThread();
        int found = Visit(directory);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(1000, found);

        static int Visit(StripeDirectory directory)
        {
            int found = 0;
            long cursor = 0;
            while (directory.NextStripe(ref cursor, out long stripe, out StripeIndex index))
            {
                found += index.Equals(directory.Find(stripe)!.Value) && index.Equals(directory.GetOrAdd(stripe)) ? 1
                    : 0;
            }

            return found;
        }
    }

    private static List<long> Round(StripeDirectory directory)
    {
        List<long> stripes = [];
        long cursor = 0;
        while (directory.NextStripe(ref cursor, out long stripe, out _))
        {
            stripes.Add(stripe);
        }

        return stripes;
    }
}
