// Keeps true: a mutant is switched on before the first of its tests and off behind the last one; each test has a new
// object of its class, on a thread of its own.
using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Runtime.Loader;
using PCache.Lab.Mutants;

namespace PCache.Mutants;

/// <summary>
/// Runs tests of a built test project, in this process, with one mutant after the other switched on. Knows of xUnit
/// what these tests use: facts, theories with data, constructors
/// without arguments, disposal.
/// </summary>
internal sealed class Worker
{
    private const BindingFlags AnyStatic = BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public;
    private readonly Assembly _tests;
    private readonly Context _context;
    private readonly TimeSpan _limit;

    public Worker(string path, TimeSpan limit)
    {
        _context = new Context(path);
        _tests = _context.LoadFromAssemblyPath(path);
        _limit = limit;
    }

    /// <summary>Tests that fail with the code as it is, and are left out.</summary>
    public HashSet<string> LeftOut { get; } = [];

    /// <summary>Runs mutants by number, and tells a line for each: number, verdict, seconds, which test found what.
    /// Ends where a test doesn't.</summary>
    public void Run(IReadOnlyList<(int Number, Mutant Mutant)> mutants, TextWriter output)
    {
        foreach ((int number, Mutant mutant) in mutants)
        {
            long begun = Stopwatch.GetTimestamp();
            Switch(mutant.Product, number);
            (Verdict verdict, string detail) = Judge(mutant, all: number == 0);
            Switch(mutant.Product, 0);
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{number}\t{verdict}\t{Stopwatch.GetElapsedTime(begun).TotalSeconds:F1}\t"
                + $"{detail.ReplaceLineEndings(" ")}"));
            output.Flush();
            if (verdict == Verdict.DoesNotEnd)
            {
                return; // its thread is still at work, with whatever is switched on next
            }
        }
    }

    private (Verdict Verdict, string Detail) Judge(Mutant mutant, bool all)
    {
        int tests = 0;
        List<string> failed = [];
        foreach ((MethodInfo method, object?[] arguments) in mutant.Tests.SelectMany(Find))
        {
            string name = $"{method.ReflectedType!.Name}.{method.Name}";
            if (LeftOut.Contains(name))
            {
                continue;
            }

            tests++;
            if (!Ends(method, arguments, out Exception? failure))
            {
                return (Verdict.DoesNotEnd, name);
            }

            if (failure is not null)
            {
                failed.Add(all ? name : $"{name}: {failure.GetType().Name}: {failure.Message}");
                if (!all)
                {
                    break;
                }
            }
        }

        return failed.Count > 0 ? (Verdict.Killed, string.Join(',', failed.Distinct()))
            : tests > 0 ? (Verdict.Survived, $"{tests} tests")
            : (Verdict.NoTests, string.Join(", ", mutant.Tests));
    }

    private IEnumerable<(MethodInfo Method, object?[] Arguments)> Find(string name)
    {
        string[] parts = name.Split('.');
        return _tests.GetTypes()
            .Where(type => type.Name == parts[0] && !type.IsAbstract)
            .SelectMany(type => type.GetMethods())
            .Where(method => parts.Length == 1 || method.Name == parts[1])
            .SelectMany(method => Cases(method).Select(arguments => (method, arguments)));
    }

    private bool Ends(MethodInfo method, object?[] arguments, out Exception? failure)
    {
        Exception? thrown = null;
        var thread = new Thread(() =>
        {
            try
            {
                object? test = Activator.CreateInstance(method.ReflectedType!);
                try
                {
                    (method.Invoke(test, arguments) as Task)?.GetAwaiter().GetResult();
                }
                finally
                {
                    (test as IDisposable)?.Dispose();
                }
            }
            catch (Exception e)
            {
                thrown = e is TargetInvocationException { InnerException: { } inner } ? inner : e;
            }
        })
        { IsBackground = true };
        thread.Start();
        bool ended = thread.Join(_limit);
        failure = thrown;
        return ended;
    }

    private static IEnumerable<object?[]> Cases(MethodInfo method)
    {
        Attribute[] attributes = [.. method.GetCustomAttributes()];
        bool isTheory = attributes.Any(attribute => Is(attribute, "Xunit.TheoryAttribute"));
        if (!isTheory)
        {
            return attributes.Any(attribute => Is(attribute, "Xunit.FactAttribute")) ? [[]] : [];
        }

        return attributes.Where(attribute => Is(attribute, "Xunit.Sdk.DataAttribute"))
            .SelectMany(data => (IEnumerable<object?[]>)data.GetType()
                .GetMethod("GetData", [typeof(MethodInfo)])!.Invoke(data, [method])!);
    }

    private static bool Is(Attribute attribute, string name)
    {
        Type? type = attribute.GetType();
        while (type is not null && type.FullName != name)
        {
            type = type.BaseType;
        }

        return type is not null;
    }

    private void Switch(string product, int number)
    {
        Type type = _context.LoadFromAssemblyName(new AssemblyName(product))
            .GetType(Weaving.SwitchType, throwOnError: true)!;
        type.GetField(Weaving.SwitchField, AnyStatic)!.SetValue(null, number);
    }

    private sealed class Context(string path) : AssemblyLoadContext("tests")
    {
        private readonly string _folder = Path.GetDirectoryName(path)!;

        protected override Assembly? Load(AssemblyName name)
        {
            string file = Path.Combine(_folder, name.Name + ".dll");
            return File.Exists(file) ? LoadFromAssemblyPath(file) : null;
        }
    }
}
