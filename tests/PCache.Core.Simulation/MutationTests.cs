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
}
