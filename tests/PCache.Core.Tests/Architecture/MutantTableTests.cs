using System.Reflection;
using PCache.Core.Tests.Support;
using PCache.Lab.Mutants;

namespace PCache.Core.Tests.Architecture;

/// <summary>The table of source mutants against sources and tests, so that it can't rot: each change can still be made,
/// and its tests are there.</summary>
public sealed class MutantTableTests
{
    [Fact]
    public void Each_text_stands_in_its_source_exactly_once()
    {
        string[] wrong =
        [
            .. MutantTable.All
                .Select(mutant => (Mutant: mutant, mutant.Name, mutant.File,
                    Count: mutant.CountIn(File.ReadAllText(Path.Combine(RepositoryPaths.Root, mutant.File))
                    .ReplaceLineEndings("\n"))))
                .Where(row => row.Count != 1)
                .Select(row =>
                    $"{row.Name}: its text stands {row.Count} times in {row.File}; change the row in "
                    + "tests/PCache.Lab/Mutants along with the "
                    + $"source{RuleWeaving.NearestTo(RepositoryPaths.Root, row.Mutant)}"),
        ];
        Assert.True(wrong.Length == 0, string.Join(Environment.NewLine, wrong));
    }

    [Fact]
    public void Each_change_changes_something_and_has_a_name_of_its_own()
    {
        Assert.Empty(MutantTable.All.GroupBy(mutant => mutant.Name).Where(rows => rows.Count() > 1)
            .Select(rows => rows.Key));
        Assert.All(MutantTable.All, mutant => Assert.NotEqual(mutant.Old.Trim(), mutant.New.Trim()));
        Assert.All(MutantTable.All, mutant =>
            Assert.True(mutant.IsStatement || mutant.New.Length > 0, $"{mutant.Name} takes an expression away"));
        Assert.True(MutantTable.All.Count(mutant => mutant.Equivalent is null) >= 60);
    }

    [Fact]
    public void The_tests_that_have_to_notice_are_there()
    {
        MethodInfo[] tests = [.. typeof(MutantTableTests).Assembly.GetTypes().Where(type => !type.IsAbstract)
            .SelectMany(type => type.GetMethods().Where(method => method.IsDefined(typeof(FactAttribute))))];
        foreach (Mutant mutant in MutantTable.All.Where(mutant => mutant.Project == "PCache.Core.Tests"))
        {
            Assert.True(mutant.Tests.Length > 0 == mutant.Equivalent is null, mutant.Name);
            foreach (string test in mutant.Tests)
            {
                string[] parts = test.Split('.');
                Assert.True(
                    tests.Any(method => method.ReflectedType!.Name == parts[0]
                        && (parts.Length == 1 || method.Name == parts[1])),
                    $"{mutant.Name}: there is no test {test}");
            }
        }
    }

    [Fact]
    public void Weaving_puts_all_of_a_place_behind_numbers_and_leaves_the_rest()
    {
        const string Source = "int F(int a)\n{\n    Go();\n    return a + 1;\n}\n";
        Mutant drop = new("drop", "src/X/F.cs", "Go();", "");
        Mutant minus = new("minus", "src/X/F.cs", "return «a + 1»;", "a - 1");
        Mutant two = new("two", "src/X/F.cs", "return «a + 1»;", "a + 2");
        Assert.Equal(
            "int F(int a)\n{\n    if (global::PCacheWoven.Mutation.Is(1)) {  } else { Go(); }\n"
            + "    return (global::PCacheWoven.Mutation.Is(2) ? (a - 1) : global::PCacheWoven.Mutation.Is(3) ? (a + "
                + "2) : (a + 1));\n}\n",
            Weaving.Weave(Source, [(Weaving.IsNumber(1), drop), (Weaving.IsNumber(2), minus),
                (Weaving.IsNumber(3), two)]));
        Mutant all = new("all", "src/X/F.cs", "Go();\n    return a + 1;", "return 0;");
        Assert.Equal([3, 1], Weaving.Waves([drop, minus, two, all], _ => Source).Select(wave => wave.Count));
    }

    [Fact]
    public void Weaving_puts_in_and_takes_bodies_and_doesnt_mind_indentation()
    {
        const string Source = "void F() => Go();\nvoid G()\n{\n    A();\n\n        B(c);\n}\n";
        Change stay = new("src/X/F.cs", "F() «=> Go();»", "");
        Change before = new("src/X/F.cs", "«»A();\n\nB(c);", "First();\nSecond();");
        Change drop = new("src/X/F.cs", "A();\n  «B(c);»", "");
        Assert.Equal(
            "void F() { if (x) {  } else { Go(); } }\nvoid G()\n{\n    if (y) { First(); Second(); } A();\n\n       "
                + " if (z) {  } else { B(c); }\n}\n",
            Weaving.Weave(Source, [("x", stay), ("y", before), ("z", drop)]));
        Assert.Equal([1, 1, 0], ((Change[])[before, drop, new("src/X/F.cs", "A();\nC();", "")])
            .Select(change => change.CountIn(Source)));
    }

    [Fact]
    public void A_rule_that_cant_be_woven_is_told_with_its_row_and_where_its_text_is()
    {
        Change moved = new("src/PCache.Core/Ksets/KsetReader.cs",
            "public static void Zero(PmemRegion region, long offset, long lengthBytes)", "");
        string told = Assert.Single(RuleWeaving.Check(RepositoryPaths.Root, "", [("rule Moved", moved)]));
        Assert.Matches(
            @"MutantTableTests\.cs\(\d+\): error MUTANT: rule Moved: src/PCache\.Core/Ksets/KsetReader\.cs: "
            + @".* 0 times .* src/PCache\.Core/Ksets/RegionZeroing\.cs", told);
        Change a = new("src/X/F.cs", "Go(); Stop();", "");
        Change b = new("src/X/F.cs", "Stop();", "");
        Assert.Contains("overlaps", Assert.Single(
            RuleWeaving.Check(RepositoryPaths.Root, "Go(); Stop();", [("rule A", a), ("rule B", b)])),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Page_has_every_rule_as_its_row_says()
    {
        string page = File.ReadAllText(Path.Combine(RepositoryPaths.Root, RulesPage.File)).ReplaceLineEndings("\n");
        Assert.True(RulesPage.WithTable(page) == page,
            "dotnet run -c Release --project tests/PCache.Mutants -- --page");
        Assert.Equal(RuleTable.All.Select(rule => rule.Name).Distinct(), RuleTable.All.Select(rule => rule.Name));
        Assert.All(RuleTable.All, rule => Assert.Contains(rule.FoundBy, RuleTable.Kinds));
    }
}
