using System.Reflection;
using System.Text;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>
/// The public API of the package is the approved one (PublicApi.Sqlite.approved.txt). To approve a change: run with
/// PCACHE_APPROVE_API=1 and commit the file.
/// </summary>
public sealed class PublicApiTests
{
    private const BindingFlags Declared =
        BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;

    [Fact]
    public void The_public_api_is_the_approved_one()
    {
        string path = Path.Combine(RepositoryRoot.Path, "tests", "PCache.Sqlite.Tests",
            "PublicApi.Sqlite.approved.txt");
        string actual = Render(typeof(PCacheVfs).Assembly);
        if (Environment.GetEnvironmentVariable("PCACHE_APPROVE_API") == "1")
        {
            File.WriteAllText(path, actual);
        }

        Assert.Equal(File.ReadAllText(path).ReplaceLineEndings("\n"), actual);
    }

    private static string Render(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
        {
            text.Append(type.IsAbstract && type.IsSealed ? "static " : "").Append("class ").Append(type.FullName)
                .Append('\n');
            foreach (string line in type.GetMembers(Declared).Where(IsOwn).Select(Line).Order(StringComparer.Ordinal))
            {
                text.Append("    ").Append(line).Append('\n');
            }
        }

        return text.ToString();
    }

    /// <summary>Accessors are told by their properties and events.</summary>
    private static bool IsOwn(MemberInfo member) =>
        member is not MethodBase { IsSpecialName: true } || member is ConstructorInfo;

    private static string Line(MemberInfo member)
    {
        string defaults = member is MethodBase method && method.GetParameters().Any(parameter => parameter.IsOptional)
            ? " (optional from " + method.GetParameters().First(parameter => parameter.IsOptional).Name + " on)" : "";
        string accessors = member is PropertyInfo property
            ? " { get;" + (property.SetMethod is { IsPublic: true } set
                ? set.ReturnParameter.GetRequiredCustomModifiers().Length > 0 ? " init;" : " set;" : "") + " }"
            : "";
        return $"{member.MemberType} {member}{accessors}{defaults}";
    }
}
