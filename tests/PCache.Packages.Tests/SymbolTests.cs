// Keeps true: a debugger finds the symbols of each assembly, and for each source file of them a place in the repository
// or the text itself.

using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Text;
using System.Text.Json;
using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>Symbols, source links and reproducible builds.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed class SymbolTests(PackedPackages packages)
{
    private static readonly Guid SourceLink = new("CC110556-A091-4D38-9FEC-25AB9A351A6A");
    private static readonly Guid EmbeddedSource = new("0E8A571B-6926-466E-B4AD-8AB04611F5FE");

    public static TheoryData<string, string, string> Assemblies
    {
        get
        {
            var all = new TheoryData<string, string, string>();
            foreach (string library in ExpectedPackages.Libraries)
            {
                all.Add(library, "lib/net10.0", library);
            }

            foreach (string assembly in (string[])["pcache", ExpectedPackages.Core, ExpectedPackages.Sqlite])
            {
                all.Add(ExpectedPackages.Tool, "tools/net10.0/any", assembly);
            }

            return all;
        }
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void The_symbols_are_those_of_the_assembly(string package, string folder, string assembly)
    {
        using PackageFile file = packages.OpenPackage(package);
        using PackageFile symbols = packages.OpenSymbols(package);
        using MetadataReaderProvider pdb = OpenPdb(symbols, $"{folder}/{assembly}.pdb");
        byte[] id = [.. pdb.GetMetadataReader().DebugMetadataHeader!.Id];
        Assert.Equal(AssemblyFacts.SymbolId(file.Read($"{folder}/{assembly}.dll")), new Guid(id.AsSpan(0, 16)));
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Every_source_is_linked_to_the_commit_or_embedded(string package, string folder, string assembly)
    {
        using PackageFile symbols = packages.OpenSymbols(package);
        using MetadataReaderProvider pdb = OpenPdb(symbols, $"{folder}/{assembly}.pdb");
        MetadataReader reader = pdb.GetMetadataReader();
        byte[] link = Information(reader, EntityHandle.ModuleDefinition, SourceLink).Single();
        JsonProperty map = Assert.Single(JsonDocument.Parse(link).RootElement.GetProperty("documents").EnumerateObject()
            .ToArray());
        Assert.Equal("/_/*", map.Name);
        Assert.Equal($"{RepositoryCopy.RawUrl}/{packages.Copy.Commit}/*", map.Value.GetString());

        int linked = 0;
        foreach (DocumentHandle handle in reader.Documents)
        {
            string name = reader.GetString(reader.GetDocument(handle).Name).Replace('\\', '/');
            Assert.StartsWith("/_/", name, StringComparison.Ordinal);
            bool inCommit = !name.Contains("/obj/", StringComparison.Ordinal)
                && File.Exists(Path.Combine(packages.Copy.Folder, name["/_/".Length..]));
            Assert.True(inCommit || Information(reader, handle, EmbeddedSource).Length == 1,
                $"{name} is neither in the commit nor embedded");
            linked += inCommit ? 1 : 0;
        }

        // A project that has no source of its own yet has only what the build makes.
        int sources = Directory.EnumerateFiles(
            Path.Combine(packages.Copy.Folder, "src", assembly == "pcache" ? ExpectedPackages.Tool : assembly), "*.cs",
            SearchOption.AllDirectories)
            .Count(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}",
                StringComparison.Ordinal));
        Assert.True(linked > 0 || sources == 0);
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void No_folder_of_the_building_machine_is_in_assembly_or_symbols(string package, string folder,
        string assembly)
    {
        using PackageFile file = packages.OpenPackage(package);
        using PackageFile symbols = packages.OpenSymbols(package);
        byte[] path = Encoding.UTF8.GetBytes(packages.Copy.Folder);
        Assert.True(file.Read($"{folder}/{assembly}.dll").AsSpan().IndexOf(path) < 0);
        Assert.True(symbols.Read($"{folder}/{assembly}.pdb").AsSpan().IndexOf(path) < 0);
    }

    [Fact]
    public void The_same_commit_in_another_folder_makes_the_same_bytes()
    {
        RepositoryCopy another = packages.AnotherCopy();
        Assert.Equal(packages.Copy.Commit, another.Commit);
        another.Dotnet("build", Path.Combine("src", ExpectedPackages.Testing)).MustSucceed();
        foreach (string name in (string[])[ExpectedPackages.Core, ExpectedPackages.Testing])
        {
            string built = Path.Combine(another.Folder, "src", name, "bin", "Release", "net10.0");
            using PackageFile package = packages.OpenPackage(name);
            using PackageFile symbols = packages.OpenSymbols(name);
            byte[] assembly = package.Read($"lib/net10.0/{name}.dll");
            Assert.True(AssemblyFacts.IsDeterministic(assembly));
            Assert.True(assembly.AsSpan().SequenceEqual(File.ReadAllBytes(Path.Combine(built, $"{name}.dll"))),
                $"{name}.dll differs");
            Assert.True(symbols.Read($"lib/net10.0/{name}.pdb").AsSpan()
                .SequenceEqual(File.ReadAllBytes(Path.Combine(built, $"{name}.pdb"))), $"{name}.pdb differs");
        }
    }

    [Theory]
    [InlineData(ExpectedPackages.Sqlite)]
    [InlineData(ExpectedPackages.DependencyInjection)]
    public void Packages_that_take_later_versions_of_the_library_see_only_what_is_public_of_it(string name)
    {
        using PackageFile core = packages.OpenPackage(ExpectedPackages.Core);
        string[] friends = AssemblyFacts.AttributeValues(core.Read("lib/net10.0/PCache.Core.dll"),
            "InternalsVisibleToAttribute");
        Assert.Contains(ExpectedPackages.Testing, friends);
        Assert.DoesNotContain(name, friends);
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void The_version_tells_the_commit(string package, string folder, string assembly)
    {
        using PackageFile file = packages.OpenPackage(package);
        string[] versions = AssemblyFacts.AttributeValues(file.Read($"{folder}/{assembly}.dll"),
            "AssemblyInformationalVersionAttribute");
        Assert.Equal([$"{ExpectedPackages.Version}+{packages.Copy.Commit}"], versions);
    }

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Each_assembly_says_that_it_is_made_for_trimming_and_native_aot(string package, string folder,
        string assembly)
    {
        using PackageFile file = packages.OpenPackage(package);
        string[] said = AssemblyFacts.AttributeValues(file.Read($"{folder}/{assembly}.dll"),
            "AssemblyMetadataAttribute");
        Assert.Contains("IsTrimmable", said);
        Assert.Contains("IsAotCompatible", said);
    }

    private static MetadataReaderProvider OpenPdb(PackageFile symbols, string entry) =>
        MetadataReaderProvider.FromPortablePdbImage(ImmutableArray.Create(symbols.Read(entry)));

    private static byte[][] Information(MetadataReader reader, EntityHandle of, Guid kind) =>
        [.. reader.GetCustomDebugInformation(of).Select(reader.GetCustomDebugInformation)
            .Where(info => reader.GetGuid(info.Kind) == kind).Select(info => reader.GetBlobBytes(info.Value))];
}
