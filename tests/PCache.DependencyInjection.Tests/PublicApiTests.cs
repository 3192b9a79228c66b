using PCache.Core.Tests.Support;

namespace PCache.DependencyInjection.Tests;

/// <summary>
/// The package's public API is the approved one (PublicApi.approved.txt). To approve a change: run with
/// PCACHE_APPROVE_API=1 and commit the file.
/// </summary>
public sealed class PublicApiTests
{
    [Fact]
    public void The_public_api_is_the_approved_one()
    {
        string actual = PublicApiText.Render(typeof(PCacheSettings).Assembly);
        string path = Path.Combine(RepositoryPaths.Root, "tests", "PCache.DependencyInjection.Tests",
            "PublicApi.approved.txt");
        if (Environment.GetEnvironmentVariable("PCACHE_APPROVE_API") == "1")
        {
            File.WriteAllText(path, actual);
        }

        Assert.Equal(File.ReadAllText(path).ReplaceLineEndings("\n"), actual);
    }
}
