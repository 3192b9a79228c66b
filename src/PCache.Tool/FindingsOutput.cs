using System.Globalization;
using System.Text.Json;
using PCache.Core;

namespace PCache.Tool;

/// <summary>Findings for people and for scripts.</summary>
internal static class FindingsOutput
{
    public static void Print(TextWriter output, IReadOnlyList<Finding> findings)
    {
        foreach (Finding finding in findings)
        {
            string place = finding.Offset < 0
                ? finding.Structure
                : string.Create(CultureInfo.InvariantCulture, $"{finding.Structure} at {finding.Offset}");
            output.WriteLine($"{Name(finding.Severity)}: {place}: {ErrorReport.OneLine(finding.Text)}");
        }
    }

    /// <summary>Prints findings by kind, worst first, each kind with what to do about it.</summary>
    public static void PrintWithAdvice(TextWriter output, IReadOnlyList<Finding> findings)
    {
        foreach (IGrouping<string, Finding> kind in
            findings.GroupBy(finding => finding.Code).OrderByDescending(kind => kind.Max(finding => finding.Severity)))
        {
            Print(output, [.. kind]);
            string advice = kind.First().Advice;
            if (advice.Length > 0)
            {
                output.WriteLine($"    {kind.Key}: {advice}");
            }
        }
    }

    public static void Write(Utf8JsonWriter json, IReadOnlyList<Finding> findings)
    {
        json.WriteStartArray("findings");
        foreach (Finding finding in findings)
        {
            json.WriteStartObject();
            json.WriteString("code", finding.Code);
            json.WriteString("severity", Name(finding.Severity));
            json.WriteString("structure", finding.Structure);
            json.WriteNumber("offset", finding.Offset);
            json.WriteString("text", finding.Text);
            json.WriteString("advice", finding.Advice);
            json.WriteEndObject();
            JsonOutput.FlushIfLarge(json);
        }

        json.WriteEndArray();
    }

    private static string Name(FindingSeverity severity) => severity switch
    {
        FindingSeverity.Damage => "damage",
        FindingSeverity.Lost => "lost",
        _ => "note",
    };
}
