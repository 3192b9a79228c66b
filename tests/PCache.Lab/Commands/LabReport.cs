// Keeps true: a violation is told with its seed on standard error, or in the JSON document, and makes the exit code 1.
using System.Globalization;
using System.Text.Json;

namespace PCache.Lab.Commands;

/// <summary>Something that a run has found.</summary>
/// <param name="Seed">What shows it again.</param>
/// <param name="Text">What it is.</param>
/// <param name="Script">The steps that lead to it, where there are such.</param>
internal sealed record LabFinding(int Seed, string Text, IReadOnlyList<string>? Script = null);

/// <summary>What a verb says at its end.</summary>
internal static class LabReport
{
    /// <summary>Tells counters and violations, and returns the exit code.</summary>
    /// <param name="context">Where to.</param>
    /// <param name="json">Whether as a JSON document.</param>
    /// <param name="seed">The seed that the run began with.</param>
    /// <param name="counters">Names, as members of the document, and values.</param>
    /// <param name="findings">The violations.</param>
    /// <param name="again">The command line that shows a violation again.</param>
    public static int Tell(
        ToolContext context, bool json, int seed, IReadOnlyList<(string Name, long Value)> counters,
            IReadOnlyList<LabFinding> findings, Func<LabFinding, string> again)
    {
        counters = [.. counters, ("violations", findings.Count)];
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer => Write(writer, seed, counters, findings));
        }
        else
        {
            context.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{"seed",-14}{seed}"));
            foreach ((string name, long value) in counters)
            {
                context.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Words(name),-14}{value:N0}"));
            }

            foreach (LabFinding finding in findings)
            {
                context.Error.WriteLine(finding.Text);
                context.Error.WriteLine("To see it again: " + again(finding));
            }
        }

        return findings.Count > 0 ? ExitCode.Damage : ExitCode.Done;
    }

    private static void Write(Utf8JsonWriter writer, int seed, IReadOnlyList<(string Name, long Value)> counters,
        IReadOnlyList<LabFinding> findings)
    {
        writer.WriteNumber("seed", seed);
        foreach ((string name, long value) in counters)
        {
            writer.WriteNumber(name, value);
        }

        writer.WriteStartArray("failures");
        foreach (LabFinding finding in findings)
        {
            writer.WriteStartObject();
            writer.WriteNumber("seed", finding.Seed);
            writer.WriteString("text", finding.Text);
            if (finding.Script is not null)
            {
                writer.WriteStartArray("script");
                foreach (string action in finding.Script)
                {
                    writer.WriteStringValue(action);
                }

                writer.WriteEndArray();
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
    }

    /// <summary>"crashStates" as "crash states".</summary>
    private static string Words(string name) =>
        string.Concat(name.Select(c => char.IsUpper(c) ? " " + char.ToLowerInvariant(c) : c.ToString()));
}
