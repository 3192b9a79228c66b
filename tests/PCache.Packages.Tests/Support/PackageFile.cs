// Keeps true: a package is looked at as a plain archive, with nothing of the tools that made it.

using System.IO.Compression;
using System.Xml.Linq;

namespace PCache.Packages.Tests.Support;

/// <summary>A package or its symbols.</summary>
internal sealed class PackageFile : IDisposable
{
    private static readonly string[] ArchiveFormat = ["_rels/", "package/", "[Content_Types].xml"];

    private readonly ZipArchive _archive;

    public PackageFile(string path)
    {
        Assert.True(File.Exists(path), $"{path} wasn't packed");
        _archive = ZipFile.OpenRead(path);
        XElement nuspec = XElement.Parse(
            ReadText(Entries.Single(entry => entry.EndsWith(".nuspec", StringComparison.Ordinal))));
        XNamespace ns = nuspec.Name.Namespace;
        Metadata = nuspec.Element(ns + "metadata")!;
        Dependencies =
        [
            .. Metadata.Descendants(ns + "dependency")
                .Select(dependency =>
                    $"{(string)dependency.Attribute("id")!} {(string)dependency.Attribute("version")!}")
                .Order(StringComparer.Ordinal),
        ];
        Frameworks = [.. Metadata.Descendants(ns + "group")
            .Select(group => (string)group.Attribute("targetFramework")!)];
    }

    public XElement Metadata { get; }

    public string[] Dependencies { get; }

    public string[] Frameworks { get; }

    /// <summary>All files but those that the archive format itself brings.</summary>
    public string[] Entries =>
    [
        .. _archive.Entries.Select(entry => entry.FullName)
            .Where(name => !ArchiveFormat.Any(prefix => name.StartsWith(prefix, StringComparison.Ordinal)))
            .Order(StringComparer.Ordinal),
    ];

    public XElement? Element(string name) => Metadata.Element(Metadata.Name.Namespace + name);

    public string? Value(string name) => Element(name)?.Value;

    public byte[] Read(string entry)
    {
        using Stream stream = (_archive.GetEntry(entry)
            ?? throw new InvalidOperationException($"no {entry} in the package")).Open();
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        return bytes.ToArray();
    }

    public string ReadText(string entry)
    {
        using var reader = new StreamReader(new MemoryStream(Read(entry)));
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }

    public void Dispose() => _archive.Dispose();
}
