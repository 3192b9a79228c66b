// Keeps true: what the packages are to be stands here, and not in the tests one by one.

using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace PCache.Packages.Tests.Support;

/// <summary>The packages, and what they may depend on.</summary>
internal static partial class ExpectedPackages
{
    public const string Core = "PCache.Core";
    public const string Testing = "PCache.Testing";
    public const string Tool = "PCache.Tool";
    public const string Sqlite = "PCache.Sqlite";
    public const string DependencyInjection = "PCache.DependencyInjection";

    /// <summary>No version that is ever released.</summary>
    public const string Version = "0.1.0-test.1";

    public static string[] Names { get; } = [Core, DependencyInjection, Sqlite, Testing, Tool];

    public static string[] Libraries { get; } = [Core, DependencyInjection, Sqlite, Testing];

    /// <summary>
    /// The dependencies of a library, as "name version": the packages that its project names, in the versions of
    /// Directory.Packages.props, and our own packages. The command has none: it brings all that it needs.
    /// </summary>
    public static string[] Dependencies(string name)
    {
        if (name == Tool)
        {
            return [];
        }

        XElement project = XElement.Parse(RepositoryPaths.ReadText($"src/{name}/{name}.csproj"));
        XElement versions = XElement.Parse(RepositoryPaths.ReadText("Directory.Packages.props"));
        IEnumerable<string> packages = project.Descendants("PackageReference")
            .Where(reference => (string?)reference.Attribute("PrivateAssets") != "all")
            .Select(reference => (string)reference.Attribute("Include")!)
            .Select(package => $"{package} {(string)versions.Descendants("PackageVersion")
                .Single(version => (string?)version.Attribute("Include") == package).Attribute("Version")!}");
        IEnumerable<string> own = project.Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(((string)reference.Attribute("Include")!)
                .Replace('\\', '/')))
            .Select(package => $"{package} {(name == Testing ? $"[{Version}]" : Version)}");
        return [.. packages.Concat(own).Order(StringComparer.Ordinal)];
    }

    /// <summary>The version of a foreign package that the tree uses.</summary>
    public static string VersionOf(string package) =>
        (string)XElement.Parse(RepositoryPaths.ReadText("Directory.Packages.props"))
        .Descendants("PackageVersion").Single(version => (string?)version.Attribute("Include") == package)
            .Attribute("Version")!;

    /// <summary>The packages of others that docs/dependencies.md allows a library.</summary>
    public static string[] AllowedByDocs(string name)
    {
        string user = name == Core ? "library" : name;
        return
        [
            .. Row().Matches(RepositoryPaths.ReadText("docs/dependencies.md"))
                .Where(row => row.Groups["users"].Value.Split(", ").Contains(user))
                .SelectMany(row => row.Groups["packages"].Value.Split(", ")),
        ];
    }

    [GeneratedRegex(@"^\| (?<packages>[^|]+) \| (?<users>[^|]+) \|", RegexOptions.Multiline)]
    private static partial Regex Row();
}
