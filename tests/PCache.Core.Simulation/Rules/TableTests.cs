using System.Reflection;
using System.Text.RegularExpressions;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Simulation.Rules;

/// <summary>The page about rules against the switches and against the checks: no switch without a row, no row without a switch, and each is seen to be found.</summary>
public sealed partial class TableTests
{
    [Fact]
    public void Page_has_every_switch()
    {
        string[] switches = [.. Enum.GetNames<BrokenRule>().Where(name => name != nameof(BrokenRule.None)).Order()];
        Assert.Equal(switches, Rows().Select(row => row.Switch).Order());
    }

    [Fact]
    public void Every_switch_has_a_check()
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
        string[] kinds = ["model", "crash exploration", "faults", "hostile images", "liveness", "concurrency"];
        Assert.All(Rows(), row => Assert.Contains(row.FoundBy, kinds));
        Assert.Empty(Rows().Where(row => !row.Switch.StartsWith("Validation", StringComparison.Ordinal)).Select(row => row.Switch).Except(checkedRules));
    }

    private static (string Switch, string FoundBy)[] Rows()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "testing-rules.md"));
        return [.. Row().Matches(page).Select(row => (row.Groups["switch"].Value, row.Groups["found"].Value))];
    }

    [GeneratedRegex(@"^\| `(?<switch>\w+)` \|.*\| (?<found>[^|]+) \|\r?$", RegexOptions.Multiline)]
    private static partial Regex Row();
}
