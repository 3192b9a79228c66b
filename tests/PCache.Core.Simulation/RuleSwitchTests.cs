using PCache.Core.Primitives;

namespace PCache.Core.Simulation;

public sealed class RuleSwitchTests
{
    [Fact]
    public void A_rule_is_broken_on_its_thread_until_mended()
    {
        using (RuleSwitch.Break(BrokenRule.PayloadBeforeKset))
        {
            Assert.True(RuleSwitch.IsBroken(BrokenRule.PayloadBeforeKset));
            bool elsewhere = true;
            var thread = new Thread(() => elsewhere = RuleSwitch.IsBroken(BrokenRule.PayloadBeforeKset));
            thread.Start();
            thread.Join();
            Assert.False(elsewhere);
        }

        Assert.False(RuleSwitch.IsBroken(BrokenRule.PayloadBeforeKset));
    }
}
