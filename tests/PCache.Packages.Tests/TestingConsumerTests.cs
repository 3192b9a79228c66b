// Keeps true: who has nothing but the package PCache.Testing has a smallest test that works.

using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>PCache.Testing as a test project has it.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed class TestingConsumerTests(PackedPackages packages)
{
    [Fact]
    public void The_smallest_crash_test_compiles_and_runs()
    {
        var consumer = new Consumer(packages, "crashtest", ExpectedPackages.Testing, $$"""
            using PCache.Testing;

            {{PageExamples.Get("src/PCache.Testing/README.md", "counter")}}
            Console.WriteLine($"passed with {result.States} crashes");
            """);
        consumer.Build();
        CommandResult run = consumer.Run(published: null).MustSucceed();
        Assert.Matches(@"^passed with [1-9]\d* crashes\s*$", run.Output);
    }
}
