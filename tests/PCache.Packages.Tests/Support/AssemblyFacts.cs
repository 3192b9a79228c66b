// Keeps true: assemblies are read and never loaded.

using System.Collections.Immutable;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace PCache.Packages.Tests.Support;

/// <summary>What an assembly says of itself.</summary>
internal static class AssemblyFacts
{
    /// <summary>The id of the symbols that belong to the assembly.</summary>
    public static Guid SymbolId(byte[] assembly)
    {
        using var reader = new PEReader(ImmutableArray.Create(assembly));
        DebugDirectoryEntry entry = reader.ReadDebugDirectory()
            .Single(entry => entry.Type == DebugDirectoryEntryType.CodeView);
        return reader.ReadCodeViewDebugDirectoryData(entry).Guid;
    }

    /// <summary>Whether the compiler was told to make the same bytes of the same sources.</summary>
    public static bool IsDeterministic(byte[] assembly)
    {
        using var reader = new PEReader(ImmutableArray.Create(assembly));
        return reader.ReadDebugDirectory().Any(entry => entry.Type == DebugDirectoryEntryType.Reproducible);
    }

    /// <summary>The namespaces of all types, internal ones too.</summary>
    public static string[] Namespaces(byte[] assembly)
    {
        using var reader = new PEReader(ImmutableArray.Create(assembly));
        MetadataReader metadata = reader.GetMetadataReader();
        return [.. metadata.TypeDefinitions.Select(type =>
            metadata.GetString(metadata.GetTypeDefinition(type).Namespace)).Distinct()];
    }

    /// <summary>The first constructor argument of the assembly's attributes of that name.</summary>
    public static string[] AttributeValues(byte[] assembly, string attributeName)
    {
        using var reader = new PEReader(ImmutableArray.Create(assembly));
        MetadataReader metadata = reader.GetMetadataReader();
        return
        [
            .. metadata.GetAssemblyDefinition().GetCustomAttributes().Select(metadata.GetCustomAttribute)
                .Where(attribute => NameOf(metadata, attribute) == attributeName)
                .Select(attribute => FirstString(metadata.GetBlobReader(attribute.Value))),
        ];
    }

    private static string? NameOf(MetadataReader metadata, CustomAttribute attribute)
    {
        if (attribute.Constructor.Kind != HandleKind.MemberReference)
        {
            return null;
        }

        EntityHandle type = metadata.GetMemberReference((MemberReferenceHandle)attribute.Constructor).Parent;
        return type.Kind == HandleKind.TypeReference
            ? metadata.GetString(metadata.GetTypeReference((TypeReferenceHandle)type).Name) : null;
    }

    private static string FirstString(BlobReader value)
    {
        value.ReadUInt16(); // the prolog of every attribute
        return value.ReadSerializedString() ?? string.Empty;
    }
}
