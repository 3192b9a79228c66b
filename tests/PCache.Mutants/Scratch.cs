// Keeps true: the sources that are changed are a copy; all mutants of a wave are in one build of it; a worker is
// another process, so that nothing a mutant does ends this one.
using System.Diagnostics;
using System.Globalization;
using PCache.Lab.Mutants;

namespace PCache.Mutants;

/// <summary>A copy of the repository in a temporary folder, where mutants are built and tested.</summary>
internal sealed class Scratch : IDisposable
{
    private const string Configuration = "Release";
    private static readonly string[] NotCopied =
        ["bin", "obj", ".git", "TestResults", "artifacts", "BenchmarkDotNet.Artifacts"];
    private static readonly string[] BuildOptions =
        ["-c", Configuration, "-v", "q", "-nologo", "-p:RunAnalyzers=false", "-p:EnforceCodeStyleInBuild=false",
            "-p:TreatWarningsAsErrors=false", "-p:GenerateDocumentationFile=false"];

    private readonly string _repository;
    private readonly string _root;
    private readonly bool _kept;

    /// <summary>Makes the folder; one that is given is kept: what is there already of an earlier run isn't built
    /// anew.</summary>
    public Scratch(string repository, string? folder)
    {
        _repository = repository;
        _kept = folder is not null;
        _root = folder is null ? Directory.CreateTempSubdirectory("pcache-mutants-").FullName
            : Path.GetFullPath(folder);
    }

    private string Sources => Path.Combine(_root, "sources");

    /// <summary>A source as it is.</summary>
    public string Read(string file) => File.ReadAllText(Path.Combine(_repository, file));

    /// <summary>Builds the tests with all mutants of a wave, numbered from 1 in order. Null: done; else what the
    /// compiler says.</summary>
    public string? BuildWoven(IReadOnlyList<Mutant> wave)
    {
        Dictionary<string, string> woven =
            wave.Select((mutant, i) => (Condition: Weaving.IsNumber(i + 1), Change: (Change)mutant))
            .GroupBy(entry => entry.Change.File)
            .ToDictionary(file => file.Key, file => Weaving.Weave(Read(file.Key), file));
        foreach (string product in wave.Select(mutant => mutant.Product).Distinct())
        {
            woven.Add($"src/{product}/Woven.cs", Weaving.SwitchSource);
        }

        Mirror(_repository, Sources, "", woven);
        foreach (string project in wave.Select(mutant => mutant.Project).Distinct())
        {
            var start = new ProcessStartInfo("dotnet",
                ["build", Path.Combine(Sources, "tests", project), .. BuildOptions])
            { RedirectStandardOutput = true };
            using Process build = Process.Start(start)
                ?? throw new InvalidOperationException("dotnet can't be started.");
            string said = build.StandardOutput.ReadToEnd();
            build.WaitForExit();
            if (build.ExitCode != 0)
            {
                return said;
            }
        }

        return null;
    }

    /// <summary>Runs mutants in another process: a line for each, until it ends or dies. Without the tests that are
    /// left out.</summary>
    public IEnumerable<string[]> Work(string project, IReadOnlyList<(int Number, Mutant Mutant)> mutants,
        IReadOnlyList<string> leftOut)
    {
        string tests = Path.Combine(Sources, "tests", project, "bin", Configuration, "net10.0", project + ".dll");
        // This program has a host of its own, or runs in the SDK's.
        string host = Environment.ProcessPath!;
        bool isHost = Path.GetFileNameWithoutExtension(host) == "dotnet";
        string[] program = isHost ? [typeof(Scratch).Assembly.Location] : [];
        var start = new ProcessStartInfo(host, [.. program, "--worker", tests])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        };
        using Process worker = Process.Start(start)
            ?? throw new InvalidOperationException("The worker can't be started.");
        foreach (string test in leftOut)
        {
            worker.StandardInput.WriteLine(test);
        }

        foreach ((int number, Mutant mutant) in mutants)
        {
            worker.StandardInput.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{number}\t{mutant.Product}\t{string.Join(',', mutant.Tests)}"));
        }

        worker.StandardInput.Close();
        while (worker.StandardOutput.ReadLine() is { } line)
        {
            string[] parts = line.Split('\t');
            if (parts.Length == 4 && int.TryParse(parts[0], out _))
            {
                yield return parts;
            }
        }

        worker.WaitForExit();
    }

    public void Dispose()
    {
        if (!_kept)
        {
            Directory.Delete(_root, recursive: true);
        }
    }

    /// <summary>Makes a folder like another one, but for what is woven, without touching files that are the
    /// same.</summary>
    private static void Mirror(string from, string to, string below, Dictionary<string, string> woven)
    {
        Directory.CreateDirectory(to);
        Dictionary<string, string> here = woven.Where(entry => Path.GetDirectoryName(entry.Key) == below)
            .ToDictionary(entry => Path.GetFileName(entry.Key), entry => entry.Value);
        string[] files = [.. Directory.EnumerateFiles(from).Select(file => Path.GetFileName(file)).Union(here.Keys)];
        string[] folders = [.. Directory.EnumerateDirectories(from).Select(folder => Path.GetFileName(folder))
            .Except(NotCopied)];
        foreach (string gone in Directory.EnumerateFiles(to).Where(file => !files.Contains(Path.GetFileName(file))))
        {
            File.Delete(gone);
        }

        foreach (string gone in Directory.EnumerateDirectories(to)
            .Where(folder => !folders.Concat(NotCopied).Contains(Path.GetFileName(folder))))
        {
            Directory.Delete(gone, recursive: true);
        }

        foreach (string file in files)
        {
            byte[] content = here.TryGetValue(file, out string? text) ? System.Text.Encoding.UTF8.GetBytes(text)
                : File.ReadAllBytes(Path.Combine(from, file));
            string copy = Path.Combine(to, file);
            if (!File.Exists(copy) || !content.AsSpan().SequenceEqual(File.ReadAllBytes(copy)))
            {
                File.WriteAllBytes(copy, content);
            }
        }

        foreach (string folder in folders)
        {
            Mirror(Path.Combine(from, folder), Path.Combine(to, folder), below.Length == 0 ? folder : below + "/"
                + folder, woven);
        }
    }
}
