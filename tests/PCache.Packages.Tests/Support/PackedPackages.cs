// Keeps true: everything is packed once, from a copy, and goes away with the run.

namespace PCache.Packages.Tests.Support;

/// <summary>All packages, packed as for a release, and a folder for projects that use them.</summary>
public sealed class PackedPackages : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pcache-packages-").FullName;

    public PackedPackages()
    {
        try
        {
            Feed = Path.Combine(_folder, "feed");
            Copy = new RepositoryCopy(Path.Combine(_folder, "a"));
            PackOutput = Copy.Dotnet("pack", "packages.slnf", "-o", Feed).MustSucceed();

            // Nothing above this folder has a say in what the consumers are.
            File.WriteAllText(Path.Combine(_folder, "Directory.Build.props"), "<Project />");
            File.WriteAllText(Path.Combine(_folder, "Directory.Build.targets"), "<Project />");
            File.WriteAllText(Path.Combine(_folder, "Directory.Packages.props"), "<Project />");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The folder with the packages.</summary>
    internal string Feed { get; }

    internal RepositoryCopy Copy { get; }

    internal CommandResult PackOutput { get; }

    /// <summary>A second copy, in another folder.</summary>
    internal RepositoryCopy AnotherCopy() => new(Path.Combine(_folder, "another", "folder"));

    internal string NewFolder(string name) => Directory.CreateDirectory(Path.Combine(_folder, name)).FullName;

    internal PackageFile OpenPackage(string name) =>
        new(Path.Combine(Feed, $"{name}.{ExpectedPackages.Version}.nupkg"));

    internal PackageFile OpenSymbols(string name) =>
        new(Path.Combine(Feed, $"{name}.{ExpectedPackages.Version}.snupkg"));

    public void Dispose()
    {
        // Git's objects are read-only, which keeps Windows from deleting them.
        foreach (string file in Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories))
        {
            File.SetAttributes(file, FileAttributes.Normal);
        }

        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>The tests that share the packages; they run one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class PackedPackagesGroup : ICollectionFixture<PackedPackages>
{
    public const string Name = "Packed packages";
}
