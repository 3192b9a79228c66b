// Keeps true: of a package's documentation file only what its users can see is left: public types, and their public
// and protected members. An inline task of MSBuild (see Directory.Build.targets), so it is compiled against .NET
// Standard, and runs only where a package is made.
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text;
using System.Xml.Linq;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

public sealed class PublicDocumentation : Task
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance
        | BindingFlags.Static | BindingFlags.DeclaredOnly;

    /// <summary>The assembly that the documentation is of.</summary>
    [Required]
    public string AssemblyPath { get; set; }

    /// <summary>The documentation; written anew.</summary>
    [Required]
    public string DocumentationPath { get; set; }

    /// <summary>Assemblies that it refers to.</summary>
    [Required]
    public ITaskItem[] References { get; set; }

    public override bool Execute()
    {
        ILookup<string, string> paths = References.ToLookup(
            item => Path.GetFileNameWithoutExtension(item.ItemSpec), item => item.ItemSpec);
        ResolveEventHandler resolve = (_, e) => paths[new AssemblyName(e.Name).Name].Select(
            path => Assembly.Load(File.ReadAllBytes(path))).FirstOrDefault();
        AppDomain.CurrentDomain.AssemblyResolve += resolve;
        try
        {
            var visible = new HashSet<string>(
                Assembly.Load(File.ReadAllBytes(AssemblyPath)).GetTypes().Where(IsVisible).SelectMany(Ids));
            XDocument document = XDocument.Load(DocumentationPath, LoadOptions.PreserveWhitespace);
            XElement[] members = document.Descendants("member").ToArray();
            foreach (XElement member in members.Where(member => !visible.Contains((string)member.Attribute("name"))))
            {
                // Its line goes with it.
                if (member.PreviousNode is XText space)
                {
                    space.Remove();
                }

                member.Remove();
            }

            document.Save(DocumentationPath, SaveOptions.DisableFormatting);
            if (!document.Descendants("member").Any())
            {
                Log.LogError("{0} documents nothing of {1}.", DocumentationPath, AssemblyPath);
            }
        }
        finally
        {
            AppDomain.CurrentDomain.AssemblyResolve -= resolve;
        }

        return !Log.HasLoggedErrors;
    }

    private static bool IsVisible(Type type) => type.IsNested
        ? (type.IsNestedPublic || type.IsNestedFamily || type.IsNestedFamORAssem) && IsVisible(type.DeclaringType)
        : type.IsPublic;

    private static bool IsVisible(MethodBase method) =>
        method != null && (method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly);

    /// <summary>The ids that the compiler gives to a type and to what can be seen of it.</summary>
    private static IEnumerable<string> Ids(Type type)
    {
        string name = Name(type);
        yield return "T:" + name;
        foreach (MemberInfo member in type.GetMembers(Declared))
        {
            switch (member)
            {
                case FieldInfo field when field.IsPublic || field.IsFamily || field.IsFamilyOrAssembly:
                    yield return $"F:{name}.{field.Name}";
                    break;
                case PropertyInfo property when IsVisible(property.GetMethod) || IsVisible(property.SetMethod):
                    yield return $"P:{name}.{property.Name}{Parameters(property.GetIndexParameters())}";
                    break;
                case EventInfo one when IsVisible(one.AddMethod):
                    yield return $"E:{name}.{one.Name}";
                    break;
                case MethodBase method when IsVisible(method):
                    string arity =
                        method.IsGenericMethodDefinition ? "``" + method.GetGenericArguments().Length : string.Empty;
                    string result = method.Name is "op_Implicit" or "op_Explicit"
                        ? "~" + Reference(((MethodInfo)method).ReturnType)
                        : string.Empty;
                    string parameters = Parameters(method.GetParameters());
                    yield return $"M:{name}.{method.Name.Replace('.', '#')}{arity}{parameters}{result}";
                    break;
            }
        }
    }

    private static string Name(Type type) =>
        (type.IsNested ? Name(type.DeclaringType) : type.Namespace) + "." + type.Name;

    private static string Parameters(ParameterInfo[] parameters) =>
        parameters.Length == 0
            ? string.Empty
            : "(" + string.Join(",", parameters.Select(parameter => Reference(parameter.ParameterType))) + ")";

    /// <summary>A type as it stands in the id of a member.</summary>
    private static string Reference(Type type)
    {
        if (type.IsByRef)
        {
            return Reference(type.GetElementType()) + "@";
        }

        if (type.IsPointer)
        {
            return Reference(type.GetElementType()) + "*";
        }

        if (type.IsArray)
        {
            int rank = type.GetArrayRank();
            return Reference(type.GetElementType())
                + (rank == 1 ? "[]" : "[" + string.Join(",", Enumerable.Repeat("0:", rank)) + "]");
        }

        if (type.IsGenericParameter)
        {
            return (type.DeclaringMethod is null ? "`" : "``") + type.GenericParameterPosition;
        }

        // Arguments stand behind the type in the chain of nested ones that has them.
        Type[] arguments = type.GetGenericArguments();
        var chain = new Stack<Type>();
        for (Type one = type; one != null; one = one.DeclaringType)
        {
            chain.Push(one);
        }

        var text = new StringBuilder(type.Namespace);
        int used = 0;
        foreach (Type one in chain)
        {
            int tick = one.Name.IndexOf('`');
            text.Append('.').Append(tick < 0 ? one.Name : one.Name.Substring(0, tick));
            if (tick >= 0)
            {
                int count = int.Parse(one.Name.Substring(tick + 1));
                text.Append('{').Append(
                    string.Join(",", arguments.Skip(used).Take(count).Select(Reference))).Append('}');
                used += count;
            }
        }

        return text.ToString();
    }
}
