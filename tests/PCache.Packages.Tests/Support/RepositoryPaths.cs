// Keeps true: nothing depends on the folder from which the tests are started.

namespace PCache.Packages.Tests.Support;

/// <summary>Where the sources are.</summary>
internal static class RepositoryPaths
{
    public static string Root { get; } = Find();

    public static string ReadText(string relativePath) =>
        File.ReadAllText(Path.Combine(Root, relativePath)).ReplaceLineEndings("\n");

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "PCache.Core.sln")))
            {
                return folder.FullName;
            }
        }

        throw new InvalidOperationException("PCache.Core.sln isn't above the tests.");
    }
}
