using System.Reflection;
using System.Text.RegularExpressions;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Primitives;

/// <summary>The order of locks: told in one table, and free in the build that is shipped.</summary>
public sealed partial class LockRankTests
{
    [Fact]
    public void Page_has_the_ranks_in_their_order()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryPaths.Root, "docs", "architecture.md"));
        string table = page[page.IndexOf("| rank | guards |", StringComparison.Ordinal)..];
        table = table[..table.IndexOf("\n\n", StringComparison.Ordinal)];
        Assert.Equal(Enum.GetNames<LockRank>(), Row().Matches(table).Select(row => row.Groups["rank"].Value));
    }

    [Fact]
    public void Shipped_locks_have_no_rank_and_ask_nothing()
    {
        const BindingFlags Any =
            BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;
        foreach (Type type in (Type[])[typeof(Latch), typeof(SteadyLock), typeof(AsyncGate), typeof(LockOrder)])
        {
            Assert.DoesNotContain(type.GetFields(Any), field =>
                field.FieldType == typeof(LockRank) || type == typeof(LockOrder));
            Assert.DoesNotContain(type.GetMethods(Any), method =>
                method.Name.StartsWith("Note", StringComparison.Ordinal));
        }

        using (new Latch(LockRank.Shard).Hold())
        using (new Latch(LockRank.Shard).Hold())
        using (new SteadyLock(LockRank.Append).Hold())
        {
            Invariant.Holds(Ask(), "it is never asked");
        }
    }

    private static bool Ask() => throw new InvalidOperationException("An argument was evaluated.");

    [GeneratedRegex(@"^\| `(?<rank>\w+)` \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
