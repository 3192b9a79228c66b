// Keeps true: assemblies are read and never loaded; names are spelt as in documentation files.

using System.Collections.Immutable;
using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;

namespace PCache.Packages.Tests.Support;

/// <summary>Which types and members of an assembly its users can see, by name: overloads aren't told apart.</summary>
internal sealed class PublicSurface
{
    private readonly Dictionary<string, bool> _types = [];
    private readonly Dictionary<string, (bool Visible, bool Hidden)> _members = [];

    public PublicSurface(byte[] assembly)
    {
        using var reader = new PEReader(ImmutableArray.Create(assembly));
        MetadataReader metadata = reader.GetMetadataReader();
        foreach (TypeDefinitionHandle handle in metadata.TypeDefinitions)
        {
            TypeDefinition type = metadata.GetTypeDefinition(handle);
            string name = Name(metadata, type);
            bool visible = IsVisible(metadata, type);
            _types[name] = visible;
            foreach (FieldDefinition field in type.GetFields().Select(metadata.GetFieldDefinition))
            {
                Add($"F:{name}.{metadata.GetString(field.Name)}", visible
                    && (field.Attributes & FieldAttributes.FieldAccessMask) is FieldAttributes.Public
                    or FieldAttributes.Family or FieldAttributes.FamORAssem);
            }

            foreach (MethodDefinitionHandle method in type.GetMethods())
            {
                Add($"M:{name}.{metadata.GetString(metadata.GetMethodDefinition(method).Name).Replace('.', '#')}",
                    visible && IsVisible(metadata, method));
            }

            foreach (PropertyDefinition property in type.GetProperties().Select(metadata.GetPropertyDefinition))
            {
                PropertyAccessors accessors = property.GetAccessors();
                Add($"P:{name}.{metadata.GetString(property.Name).Replace('.', '#')}", visible
                    && (IsVisible(metadata, accessors.Getter) || IsVisible(metadata, accessors.Setter)));
            }

            foreach (EventDefinition one in type.GetEvents().Select(metadata.GetEventDefinition))
            {
                Add($"E:{name}.{metadata.GetString(one.Name).Replace('.', '#')}", visible
                    && IsVisible(metadata, one.GetAccessors().Adder));
            }
        }
    }

    /// <summary>The types that can be seen, as "T:" and name.</summary>
    public IEnumerable<string> Types => _types.Where(type => type.Value).Select(type => "T:" + type.Key);

    /// <summary>
    /// Whether users can see what a documentation file's id names; null where overloads differ in that. What isn't
    /// there by that name (a type local to a file) can't be seen.
    /// </summary>
    public bool? IsVisible(string id)
    {
        if (id.StartsWith("T:", StringComparison.Ordinal))
        {
            return _types.GetValueOrDefault(id[2..]);
        }

        string name = id.Split('(', '~')[0];
        int arity = name.IndexOf("``", StringComparison.Ordinal);
        (bool visible, bool hidden) = _members.GetValueOrDefault(arity < 0 ? name : name[..arity]);
        return visible && hidden ? null : visible;
    }

    private static string Name(MetadataReader metadata, TypeDefinition type)
    {
        string name = metadata.GetString(type.Name);
        return type.GetDeclaringType() is { IsNil: false } outer
            ? Name(metadata, metadata.GetTypeDefinition(outer)) + "." + name
            : metadata.GetString(type.Namespace) + "." + name;
    }

    private static bool IsVisible(MetadataReader metadata, TypeDefinition type) =>
        (type.Attributes & TypeAttributes.VisibilityMask) switch
        {
            TypeAttributes.Public => true,
            TypeAttributes.NestedPublic or TypeAttributes.NestedFamily or TypeAttributes.NestedFamORAssem =>
                IsVisible(metadata, metadata.GetTypeDefinition(type.GetDeclaringType())),
            _ => false,
        };

    private static bool IsVisible(MetadataReader metadata, MethodDefinitionHandle method) =>
        !method.IsNil && (metadata.GetMethodDefinition(
            method).Attributes & MethodAttributes.MemberAccessMask) is MethodAttributes.Public
            or MethodAttributes.Family or MethodAttributes.FamORAssem;

    private void Add(string name, bool visible)
    {
        (bool Visible, bool Hidden) known = _members.GetValueOrDefault(name);
        _members[name] = (known.Visible || visible, known.Hidden || !visible);
    }
}
