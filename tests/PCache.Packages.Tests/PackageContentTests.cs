// Keeps true: each package has all that belongs to it, and nothing that doesn't.

using System.Buffers.Binary;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>What is in the packages.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed partial class PackageContentTests(PackedPackages packages)
{
    public static TheoryData<string> Names => [.. ExpectedPackages.Names];

    public static TheoryData<string> Libraries => [.. ExpectedPackages.Libraries];

    [Fact]
    public void Each_project_below_src_makes_a_package_and_its_symbols_without_a_warning()
    {
        string[] projects = [.. Directory.GetDirectories(Path.Combine(RepositoryPaths.Root, "src"))
            .Select(folder => Path.GetFileName(folder)).Order(StringComparer.Ordinal)];
        Assert.Equal(ExpectedPackages.Names, projects);
        string[] expected = [.. projects.SelectMany(name =>
            new[] { $"{name}.{ExpectedPackages.Version}.nupkg", $"{name}.{ExpectedPackages.Version}.snupkg" })];
        Assert.Equal(expected, Directory.GetFiles(packages.Feed).Select(file => Path.GetFileName(file))
            .Order(StringComparer.Ordinal));
        Assert.DoesNotContain("warning", packages.PackOutput.All, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Nothing_outside_src_is_packable()
    {
        string[] projects =
        [
            .. new[] { "tests", "benchmarks", "docs" }.SelectMany(folder =>
                Directory.EnumerateFiles(Path.Combine(RepositoryPaths.Root, folder), "*.csproj",
                    SearchOption.AllDirectories)),
        ];
        Assert.True(projects.Length >= 4);
        Assert.All(projects, project =>
            Assert.Equal("false", XElement.Load(project).Descendants("IsPackable").SingleOrDefault()?.Value));
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void A_library_has_its_assembly_its_documentation_and_the_common_files(string name)
    {
        using PackageFile package = packages.OpenPackage(name);
        Assert.Equal(["LICENSE", $"{name}.nuspec", "README.md", "icon.png", $"lib/net10.0/{name}.dll",
            $"lib/net10.0/{name}.xml"], package.Entries);
        XElement documentation = XElement.Parse(package.ReadText($"lib/net10.0/{name}.xml"));
        Assert.Equal(name, documentation.Descendants("assembly").Single().Value.Trim());
        Assert.Equal(["net10.0"], package.Frameworks);
    }

    [Theory]
    [MemberData(nameof(Libraries))]
    public void The_documentation_has_what_users_can_see_and_nothing_else(string name)
    {
        using PackageFile package = packages.OpenPackage(name);
        var surface = new PublicSurface(package.Read($"lib/net10.0/{name}.dll"));
        string[] documented = Ids(package.ReadText($"lib/net10.0/{name}.xml"));
        Assert.DoesNotContain(documented, id => surface.IsVisible(id) == false);
        Assert.Empty(surface.Types.Except(documented));

        // What the compiler wrote about visible members is all there.
        string[] written = Ids(File.ReadAllText(
            Path.Combine(packages.Copy.Folder, "src", name, "obj", "Release", "net10.0", $"{name}.xml")));
        Assert.Empty(written.Where(id => surface.IsVisible(id) == true).Except(documented));
        Assert.Empty(documented.Except(written));

        static string[] Ids(string documentation) =>
            [.. XElement.Parse(documentation).Descendants("member")
            .Select(member => (string)member.Attribute("name")!)];
    }

    [Fact]
    public void The_testing_package_has_nothing_of_the_laboratory()
    {
        using PackageFile package = packages.OpenPackage(ExpectedPackages.Testing);
        string[] namespaces = AssemblyFacts.Namespaces(package.Read($"lib/net10.0/{ExpectedPackages.Testing}.dll"));
        Assert.Contains("PCache.Testing", namespaces);
        Assert.DoesNotContain(namespaces, one =>
            one.StartsWith("PCache.", StringComparison.Ordinal) && one != "PCache.Testing");
        Assert.Equal([$"{ExpectedPackages.Core} [{ExpectedPackages.Version}]"], package.Dependencies);
    }

    [Fact]
    public void The_command_brings_all_that_it_needs_and_nothing_more()
    {
        using PackageFile package = packages.OpenPackage(ExpectedPackages.Tool);
        Assert.Empty(new[] { "LICENSE", "README.md", "icon.png" }.Except(package.Entries));
        string[] files = [.. package.Entries.Where(entry => entry.StartsWith("tools/", StringComparison.Ordinal))];
        Assert.All(files, file => Assert.StartsWith("tools/net10.0/any/", file, StringComparison.Ordinal));
        string[] needed = ["DotnetToolSettings.xml", "pcache.dll", "pcache.deps.json", "pcache.runtimeconfig.json",
            "PCache.Core.dll", "PCache.Sqlite.dll", "System.CommandLine.dll"];
        Assert.Empty(needed.Except(files.Select(file => Path.GetFileName(file))));
        Assert.DoesNotContain(files, file => file.EndsWith(".resources.dll", StringComparison.Ordinal));
        Assert.Equal("DotnetToolSettings.xml",
            Path.GetFileName(Assert.Single(files, file => file.EndsWith(".xml", StringComparison.Ordinal))));
        Assert.Equal("DotnetTool", (string?)package.Element("packageTypes")!.Elements().Single().Attribute("name"));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_metadata_is_complete(string name)
    {
        using PackageFile package = packages.OpenPackage(name);
        Assert.Equal(name, package.Value("id"));
        Assert.Equal(ExpectedPackages.Version, package.Value("version"));
        Assert.Equal("MIT", package.Value("license"));
        Assert.Equal("expression", (string?)package.Element("license")!.Attribute("type"));
        Assert.Equal("README.md", package.Value("readme"));
        Assert.Equal("icon.png", package.Value("icon"));
        Assert.False(string.IsNullOrWhiteSpace(package.Value("authors")));
        Assert.False(string.IsNullOrWhiteSpace(package.Value("copyright")));
        Assert.InRange(package.Value("description")!.Length, 60, 400);
        Assert.InRange(package.Value("tags")!.Split(' ').Length, 4, 12);
        Assert.Null(package.Element("projectUrl"));

        // The remote is made up in the copy, so it can have come from there only.
        XElement repository = package.Element("repository")!;
        Assert.Equal("git", (string?)repository.Attribute("type"));
        Assert.Equal(RepositoryCopy.RemoteUrl, (string?)repository.Attribute("url"));
        Assert.Equal(packages.Copy.Commit, (string?)repository.Attribute("commit"));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_release_notes_are_the_changelogs_section_of_the_version(string name)
    {
        using PackageFile package = packages.OpenPackage(name);
        string notes = package.Value("releaseNotes")!.ReplaceLineEndings("\n");
        string changelog = RepositoryPaths.ReadText("CHANGELOG.md");
        string version = ExpectedPackages.Version.Split('-')[0];
        int start = changelog.IndexOf($"## [{version}]", StringComparison.Ordinal);
        string section = changelog[(changelog.IndexOf('\n', start) + 1)..];
        int end = section.IndexOf("\n## ", StringComparison.Ordinal);
        string[] expected = Words(end < 0 ? section : section[..end]);
        Assert.True(expected.Length > 50);
        Assert.Equal(expected, Words(notes));
        Assert.InRange(notes.Length, 100, 35_000);
        Assert.Empty(RelativeLink().Matches(notes));

        static string[] Words(string text) =>
            NotLink().Replace(text, "$1").Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_readme_is_for_readers_of_the_package(string name)
    {
        using PackageFile package = packages.OpenPackage(name);
        string readme = package.ReadText("README.md");
        Assert.StartsWith($"# {name}\n", readme, StringComparison.Ordinal);
        Assert.Empty(RelativeLink().Matches(readme));
        Assert.DoesNotContain("--project src", readme, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Icon_and_license_are_those_of_the_tree(string name)
    {
        using PackageFile package = packages.OpenPackage(name);
        Assert.Equal(RepositoryPaths.ReadText("LICENSE"), package.ReadText("LICENSE"));
        byte[] icon = package.Read("icon.png");
        Assert.Equal("PNG"u8, icon.AsSpan(1, 3));
        Assert.Equal(128, BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(16)));
        Assert.Equal(128, BinaryPrimitives.ReadInt32BigEndian(icon.AsSpan(20)));
        Assert.True(icon.Length < 100_000);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_dependencies_are_those_of_the_project_and_each_has_its_reason_in_the_docs(string name)
    {
        using PackageFile package = packages.OpenPackage(name);
        Assert.Equal(ExpectedPackages.Dependencies(name), package.Dependencies);
        string[] others = [.. package.Dependencies.Select(dependency => dependency.Split(' ')[0])
            .Where(dependency => !ExpectedPackages.Names.Contains(dependency))];
        Assert.Empty(others.Except(ExpectedPackages.AllowedByDocs(name)));
    }

    [GeneratedRegex(@"\]\((?!https?:|#)[^)]*\)")]
    private static partial Regex RelativeLink();

    [GeneratedRegex(@"\[([^\]]*)\]\((?!https?:)[^)]*\)")]
    private static partial Regex NotLink();
}
