using System.Reflection;
using System.Text;

namespace PCache.Core.Tests.Support;

/// <summary>
/// Renders the public API of an assembly, one line for each member. Keeps true: the same API gives the same text, in
/// whatever order it is compiled.
/// </summary>
internal static class PublicApiText
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static
        | BindingFlags.DeclaredOnly;

    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(void)] = "void",
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(string)] = "string",
        [typeof(object)] = "object",
    };

    public static string Render(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            text.Append(Head(type)).Append('\n');
            foreach (string member in type.GetMembers(Declared).Select(Line).OfType<string>()
                .Order(StringComparer.Ordinal))
            {
                text.Append("    ").Append(member).Append('\n');
            }

            text.Append('\n');
        }

        return text.ToString();
    }

    private static string Head(Type type)
    {
        string kind = type.IsEnum ? "enum" : type.IsValueType ? "struct" : type.IsInterface ? "interface" : "class";
        string modifier = type.IsAbstract && type.IsSealed ? "static " : type.IsAbstract && type.IsClass ? "abstract "
            : type.IsSealed && type.IsClass ? "sealed " : "";
        IEnumerable<string> bases = type.GetInterfaces().Select(Name).Order(StringComparer.Ordinal);
        if (type is { IsClass: true, BaseType: { } parent } && parent != typeof(object))
        {
            bases = bases.Prepend(Name(parent));
        }

        string list = type.IsEnum ? Name(Enum.GetUnderlyingType(type)) : string.Join(", ", bases);
        return $"public {modifier}{kind} {type.FullName}{(list.Length > 0 ? " : " + list : "")}";
    }

    private static string? Line(MemberInfo member) => member switch
    {
        FieldInfo { IsSpecialName: false } field
            when IsVisible(field.IsPublic, field.IsFamily || field.IsFamilyOrAssembly) =>
            $"{(field.IsLiteral ? "const " : field.IsStatic ? "static " : "")}{Name(field.FieldType)} "
                + $"{field.Name}{(field.IsLiteral ? " = " + field.GetRawConstantValue() : "")}",
        PropertyInfo property when Accessors(property) is { Length: > 0 } accessors =>
            $"{Modifiers(property.GetAccessors(true)[0])}{Name(property.PropertyType)} {property.Name} {{ "
                + $"{accessors}}}",
        ConstructorInfo { IsStatic: false } constructor when IsVisible(constructor) =>
            $"{(constructor.IsPublic ? "" : "protected ")}.ctor({Parameters(constructor)})",
        MethodInfo method when IsVisible(method)
            && !(method.IsSpecialName && !method.Name.StartsWith("op_", StringComparison.Ordinal))
            && !method.Name.Contains('<', StringComparison.Ordinal) =>
            $"{Modifiers(method)}{Name(method.ReturnType)} {method.Name}({Parameters(method)})",
        EventInfo @event => $"event {Name(@event.EventHandlerType!)} {@event.Name}",
        _ => null,
    };

    private static string Accessors(PropertyInfo property)
    {
        string get = property.GetMethod is { } getter && IsVisible(getter) ? "get; " : "";
        string set = property.SetMethod is { } setter && IsVisible(setter)
            ? setter.ReturnParameter.GetRequiredCustomModifiers().Length > 0 ? "init; " : "set; "
            : "";
        return get + set;
    }

    private static string Modifiers(MethodBase method) =>
        (method.IsPublic ? "" : "protected ")
        + (method.IsStatic ? "static " : "")
        + (method.DeclaringType!.IsInterface ? "" : method.IsAbstract ? "abstract "
            : method is { IsVirtual: true, IsFinal: false } ? "virtual " : "");

    private static bool IsVisible(MethodBase method) =>
        IsVisible(method.IsPublic, method.IsFamily || method.IsFamilyOrAssembly);

    private static bool IsVisible(bool isPublic, bool isFamily) => isPublic || isFamily;

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter) =>
        (parameter.IsOut ? "out " : parameter.ParameterType.IsByRef ? "ref " : "")
        + $"{Name(parameter.ParameterType)} {parameter.Name}"
        + (parameter.HasDefaultValue ? " = " + (parameter.DefaultValue ?? "default") : "");

    private static string Name(Type type)
    {
        if (type.IsByRef)
        {
            return Name(type.GetElementType()!);
        }

        if (type.IsArray)
        {
            return Name(type.GetElementType()!) + "[]";
        }

        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return Name(inner) + "?";
        }

        if (Keywords.TryGetValue(type, out string? keyword))
        {
            return keyword;
        }

        return type.IsGenericType
            ? type.Name[..type.Name.IndexOf('`', StringComparison.Ordinal)]
                + $"<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
            : type.Name;
    }
}
