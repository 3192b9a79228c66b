using PCache.Lab.Mutants;
using PCache.Mutants;

// The table of changes that tests must notice. Exit codes: 0 all killed, 1 not all, 2 wrong usage.
string[] names = [];
string? folder = null;
bool list = false;
for (int i = 0; i < args.Length; i++)
{
    switch (args[i])
    {
        case "--list":
            list = true;
            break;
        case "--only" when i + 1 < args.Length:
            names = args[++i].Split(',');
            break;
        case "--worker" when i + 1 < args.Length:
            return Work(args[i + 1]);
        case "--weave" when i + 1 < args.Length:
            return WeaveRules(args[i + 1]);
        case "--page":
            return WritePage();
        case "--in" when i + 1 < args.Length:
            folder = args[++i];
            break;
        default:
            Console.Error.WriteLine(
                "Usage: PCache.Mutants [--list] [--only NAME,...] [--in FOLDER] | --page | --weave FOLDER");
            return 2;
    }
}

string[] unknown = [.. names.Where(name =>
    !MutantTable.All.Any(mutant => mutant.Name.StartsWith(name, StringComparison.Ordinal)))];
if (unknown.Length > 0)
{
    Console.Error.WriteLine($"No mutant's name begins with {string.Join(" or ", unknown)}.");
    return 2;
}

Mutant[] chosen = [.. MutantTable.All.Where(mutant =>
    names.Length == 0 || names.Any(name => mutant.Name.StartsWith(name, StringComparison.Ordinal)))];
if (list)
{
    foreach (Mutant mutant in chosen)
    {
        Console.WriteLine(
            $"{mutant.Name}: {mutant.File}: "
            + $"{(mutant.Equivalent is { } why ? "doesn't count: " + why : string.Join(", ", mutant.Tests))}");
    }

    return 0;
}

string? root = Repository.Find(AppContext.BaseDirectory);
if (root is null)
{
    Console.Error.WriteLine("PCache.Core.sln isn't above this program.");
    return 2;
}

using var scratch = new Scratch(root, folder);
return new MutantRun(scratch, Console.Out).Run([.. chosen.Where(mutant => mutant.Equivalent is null)]) ? 0 : 1;

// For the checked build. Exit code 1: the table doesn't fit the sources.
static int WeaveRules(string folder)
{
    string root = Repository.Find(AppContext.BaseDirectory)
        ?? throw new InvalidOperationException("PCache.Core.sln isn't above this program.");
    List<string> wrong = RuleWeaving.Run(root, folder);
    wrong.ForEach(Console.Error.WriteLine);
    return wrong.Count == 0 ? 0 : 1;
}

static int WritePage()
{
    string path = Path.Combine(Repository.Find(AppContext.BaseDirectory)!, RulesPage.File);
    File.WriteAllText(path, RulesPage.WithTable(File.ReadAllText(path)));
    return 0;
}

static int Work(string tests)
{
    List<(int Number, Mutant Mutant)> mutants = [];
    List<string> leftOut = [];
    while (Console.In.ReadLine() is { } line)
    {
        string[] parts = line.Split('\t');
        if (parts.Length == 1)
        {
            leftOut.Add(line);
            continue;
        }

        mutants.Add((int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture),
            new Mutant("", "src/" + parts[1], "", "", parts[2].Split(','))));
    }

    // Tests may write to the console; what the parent reads is ours alone.
    TextWriter output = Console.Out;
    Console.SetOut(TextWriter.Null);
    var worker = new Worker(tests, TimeSpan.FromMinutes(3));
    worker.LeftOut.UnionWith(leftOut);
    worker.Run(mutants, output);
    Environment.Exit(0); // whatever threads mutants have left behind
    return 0;
}

internal static class Repository
{
    public static string? Find(string below)
    {
        DirectoryInfo? folder = new(below);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "PCache.Core.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName;
    }
}
