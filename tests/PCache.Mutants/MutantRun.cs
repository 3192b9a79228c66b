// Keeps true: each mutant is judged alone, by tests that pass with none switched on (one that doesn't fails the run,
// and judges nothing); what doesn't end in time or finds no test hasn't been
// killed. A process that a mutant ends has noticed it, and another one goes on with the next.
using System.Globalization;
using PCache.Lab.Mutants;

namespace PCache.Mutants;

/// <summary>What became of a mutant.</summary>
internal enum Verdict
{
    Killed,
    Survived,
    DoesNotEnd,
    NoTests,
}

/// <summary>Builds mutants, runs the tests that have to notice them, and tells what became of each.</summary>
internal sealed class MutantRun(Scratch scratch, TextWriter output)
{
    /// <summary>Runs all; true: each was killed.</summary>
    public bool Run(IReadOnlyList<Mutant> mutants)
    {
        int killed = 0;
        bool allSound = true;
        foreach (List<Mutant> wave in Weaving.Waves(mutants, scratch.Read))
        {
            if (scratch.BuildWoven(wave) is { } error)
            {
                output.WriteLine($"It doesn't build:{Environment.NewLine}{error}");
                return false;
            }

            foreach (IGrouping<string, Mutant> project in wave.GroupBy(mutant => mutant.Project))
            {
                string[] unsound = FindUnsound(project.Key, [.. project]);
                allSound &= unsound.Length == 0;
                killed += Judge(project.Key, [.. project.Select(mutant => (wave.IndexOf(mutant) + 1, mutant))],
                    unsound);
            }
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{killed} of {mutants.Count} killed"));
        return allSound && killed == mutants.Count;
    }

    /// <summary>All their tests, with nothing switched on: those that fail then can't judge anything.</summary>
    private string[] FindUnsound(string project, Mutant[] mutants)
    {
        Mutant nothing = mutants[0] with
        {
            Name = "nothing",
            Tests = [.. mutants.SelectMany(mutant => mutant.Tests).Distinct()]
        };
        string[] line = scratch.Work(project, [(0, nothing)], []).SingleOrDefault()
            ?? throw new InvalidOperationException("The tests' process dies with nothing changed: it can't judge.");
        output.WriteLine($"As the code is: {line[1]}, {line[2]} s, {line[3]}");
        return line[1] == nameof(Verdict.Survived) ? [] : line[3].Split(',');
    }

    private int Judge(string project, (int Number, Mutant Mutant)[] mutants, string[] leftOut)
    {
        int killed = 0;
        for (int next = 0; next < mutants.Length;)
        {
            int before = next;
            bool ended = false;
            foreach (string[] line in scratch.Work(project, mutants[next..], leftOut))
            {
                Verdict verdict = Enum.Parse<Verdict>(line[1]);
                Tell(verdict.ToString(), mutants[next].Mutant, line[2], line[3]);
                killed += verdict == Verdict.Killed ? 1 : 0;
                ended = verdict == Verdict.DoesNotEnd;
                next++;
            }

            if (next < mutants.Length && !ended)
            {
                Tell(nameof(Verdict.Killed), mutants[next].Mutant, "?", "the process died");
                killed++;
                next++;
            }

            if (next == before)
            {
                return killed;
            }
        }

        return killed;
    }

    private void Tell(string verdict, Mutant mutant, string seconds, string detail)
    {
        output.WriteLine(
            $"{verdict,-10}  {mutant.Name}  ({seconds} s; {(detail.Length > 200 ? detail[..200] : detail)})");
        output.Flush();
    }
}
