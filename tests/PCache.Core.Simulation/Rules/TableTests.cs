using System.Reflection;
using PCache.Lab.Mutants;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// The table of rules against the checks: each rule has one, and is seen to be found; those of single validations are
/// found by the hostile images.
/// </summary>
public sealed class TableTests
{
    [Fact]
    public void Every_rule_has_a_check()
    {
        string[] checkedRules =
        [
            .. typeof(TableTests).Assembly.GetTypes()
                .SelectMany(type => type.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
                .Where(field => field.FieldType == typeof(RuleChecks))
                .SelectMany(field => ((RuleChecks)field.GetValue(null)!).Rules)
                .Select(rule => rule.ToString()),
        ];
        Assert.Equal(checkedRules.Distinct(), checkedRules);
        Assert.Equal(
            RuleTable.All.Select(rule => rule.Name)
                .Where(name => !name.StartsWith("Validation", StringComparison.Ordinal)).Order(),
            checkedRules.Order());
    }

    [Fact]
    public void Every_rule_can_be_broken() =>
        Assert.Equal(["None", .. RuleTable.All.Select(rule => rule.Name)], Enum.GetNames<Rule>());
}
