using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Architecture;

/// <summary>
/// The public API of each package, rendered from its assembly, is the approved one (PublicApi.approved.txt,
/// PublicApi.Testing.approved.txt). To approve a change: run with PCACHE_APPROVE_API=1 and commit the file.
/// </summary>
public sealed class PublicApiTests
{
    [Theory]
    [InlineData(typeof(PCacheDevice), "PublicApi.approved.txt")]
    [InlineData(typeof(CrashTest), "PublicApi.Testing.approved.txt")]
    public void The_public_api_is_the_approved_one(Type type, string file)
    {
        string actual = PublicApiText.Render(type.Assembly);
        string path = Path.Combine(RepositoryPaths.Root, "tests", "PCache.Core.Tests", file);
        if (Environment.GetEnvironmentVariable("PCACHE_APPROVE_API") == "1")
        {
            File.WriteAllText(path, actual);
        }

        string[] approvedLines = File.ReadAllText(path).ReplaceLineEndings("\n").Split('\n');
        string[] actualLines = actual.Split('\n');
        IEnumerable<string> differences = actualLines.Except(approvedLines).Select(l => "+ " + l.Trim())
            .Concat(approvedLines.Except(actualLines).Select(l => "- " + l.Trim()));
        Assert.True(approvedLines.SequenceEqual(actualLines), "PCACHE_APPROVE_API=1 approves these:\n"
            + string.Join('\n', differences));
    }
}
