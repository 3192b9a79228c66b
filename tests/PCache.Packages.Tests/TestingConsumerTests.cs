// Keeps true: who has nothing but the package PCache.Testing gets the library with it, in the same version, and its smallest test works.

using System.Text.Json;
using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>PCache.Testing as a test project has it.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed class TestingConsumerTests(PackedPackages packages)
{
    [Fact]
    public void The_smallest_crash_test_compiles_and_runs_and_the_library_comes_with_it()
    {
        var consumer = new Consumer(packages, "crashtest", ExpectedPackages.Testing, $$"""
            using PCache.Testing;

            {{PageExamples.Get("src/PCache.Testing/README.md", "counter")}}
            Console.WriteLine($"passed with {result.States} crashes");
            """);
        consumer.Build();
        CommandResult run = consumer.Run(published: null).MustSucceed();
        Assert.Matches(@"^passed with [1-9]\d* crashes\s*$", run.Output);

        using JsonDocument assets = JsonDocument.Parse(File.ReadAllText(Path.Combine(consumer.Folder, "obj", "project.assets.json")));
        string[] libraries = [.. assets.RootElement.GetProperty("libraries").EnumerateObject().Select(library => library.Name)];
        Assert.Contains($"{ExpectedPackages.Core}/{ExpectedPackages.Version}", libraries);
        Assert.Contains($"{ExpectedPackages.Testing}/{ExpectedPackages.Version}", libraries);
    }
}
