#define CHECKED // or the calls of assertions would be left out of this file
using PCache.Core.Primitives;

namespace PCache.Core.Simulation;

public sealed class MutationTests
{
    [Fact]
    public void A_rule_is_broken_on_its_thread_until_mended()
    {
        using (Mutation.Break(Rule.PayloadBeforeKset))
        {
            Assert.True(Mutation.Is(Rule.PayloadBeforeKset));
            bool elsewhere = true;
            var thread = new Thread(() => elsewhere = Mutation.Is(Rule.PayloadBeforeKset));
            thread.Start();
            thread.Join();
            Assert.False(elsewhere);
        }

        Assert.False(Mutation.Is(Rule.PayloadBeforeKset));
    }

    [Fact]
    public void What_a_broken_rule_breaks_is_forgotten_when_it_is_mended()
    {
        using (Mutation.Break(Rule.PayloadBeforeKset))
        {
            Assert.Throws<InvalidOperationException>(() => Invariant.Holds(false, "a test broke it"));
        }

        Assert.Null(Invariant.TakeBroken());
    }
}
