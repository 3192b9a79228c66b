using FsCheck;
using FsCheck.Fluent;
using PCache.Core.Ksets;

namespace PCache.Core.Tests.Ksets;

public class SequenceTrackerTests
{
    [Fact]
    public void None_seen_accepts_any_and_none_counts_nothing()
    {
        SequenceTracker tracker = default;
        Assert.True(tracker.Accepts(0) && tracker.Accepts(1) && tracker.Accepts(uint.MaxValue));
        tracker.Advance(0);
        Assert.False(tracker.HasSeen);
        tracker.Advance(uint.MaxValue);
        Assert.Equal(1u, tracker.Expected);
        Assert.True(tracker.Accepts(0) && tracker.Accepts(1));
        Assert.False(tracker.Accepts(2) || tracker.Accepts(uint.MaxValue));
    }

    [Fact]
    public void Distance_is_the_number_of_steps()
    {
        Gen<uint> numbers = Gen.OneOf(Gen.Choose(1, 50).Select(n => (uint)n),
            Gen.Choose(0, 50).Select(n => uint.MaxValue - (uint)n));
        Prop.ForAll(numbers.ToArbitrary(), Gen.Choose(0, 100).ToArbitrary(), (from, steps) =>
        {
            uint to = from;
            for (int i = 0; i < steps; i++)
            {
                to = SequenceTracker.Next(to);
            }

            return to != 0 && SequenceTracker.Distance(from, to) == steps
                && (steps == 0 || SequenceTracker.Distance(to, from) > 1000);
        }).QuickCheckThrowOnFailure();
    }
}
