// Keeps true: the tree itself is never built into by these tests, since other tests run from it meanwhile; two copies
// have the same commit.

namespace PCache.Packages.Tests.Support;

/// <summary>
/// A copy of what the packages are made of, with uncommitted changes, as a git repository with one commit and a made-up
/// remote.
/// </summary>
internal sealed class RepositoryCopy
{
    // The host is one that the SDK knows how to link to; it is never asked.
    public const string RemoteUrl = "https://github.com/example/made-up.git";
    public const string RawUrl = "https://raw.githubusercontent.com/example/made-up";

    private static readonly string[] LeftOut = ["bin", "obj"];

    public RepositoryCopy(string folder)
    {
        Folder = Directory.CreateDirectory(folder).FullName;
        foreach (FileInfo file in new DirectoryInfo(RepositoryPaths.Root).GetFiles().Where(file => file.Name != ".git"))
        {
            file.CopyTo(Path.Combine(Folder, file.Name));
        }

        Copy(Path.Combine(RepositoryPaths.Root, "src"), Path.Combine(Folder, "src"));
        Copy(Path.Combine(RepositoryPaths.Root, "docs", "images"), Path.Combine(Folder, "docs", "images"));
        IEnumerable<string> projects = ExpectedPackages.Names.Select(name => $"\"src\\\\{name}\\\\{name}.csproj\"");
        File.WriteAllText(Path.Combine(Folder, "packages.slnf"), $$"""
            { "solution": { "path": "PCache.Core.sln", "projects": [{{string.Join(", ", projects)}}] } }
            """);
        Command.Git(Folder, "init", "--quiet").MustSucceed();
        Command.Git(Folder, "remote", "add", "origin", RemoteUrl).MustSucceed();
        Command.Git(Folder, "add", "--all").MustSucceed();
        Command.Git(Folder, "commit", "--quiet", "--message", "All").MustSucceed();
        Commit = Command.Git(Folder, "rev-parse", "HEAD").MustSucceed().Output.Trim();
    }

    public string Folder { get; }

    public string Commit { get; }

    /// <summary>
    /// Builds or packs as a release does, without what changes nothing of it: analyzers and the audit of packages have
    /// run when the tree itself was built.
    /// </summary>
    public CommandResult Dotnet(string verb, params string[] arguments) =>
        Command.Dotnet(Folder, verb, [.. arguments, "-c", "Release", "-p:ContinuousIntegrationBuild=true",
            $"-p:Version={ExpectedPackages.Version}", "-p:RunAnalyzers=false", "-p:NuGetAudit=false"]);

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.EnumerateFiles(from))
        {
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        }

        foreach (string folder in Directory.EnumerateDirectories(from)
            .Where(folder => !LeftOut.Contains(Path.GetFileName(folder))))
        {
            Copy(folder, Path.Combine(to, Path.GetFileName(folder)));
        }
    }
}
