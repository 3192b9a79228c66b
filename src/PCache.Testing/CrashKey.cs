using System.Globalization;
using System.Text.RegularExpressions;

namespace PCache.Testing;

/// <summary>One crash: at which point, and what it left.</summary>
internal sealed record CrashStep(int Point, string Choice);

/// <summary>
/// Names a state: the failing call if there is one, then one crash after the other. Text:
/// <c>disk/17:all-3/2:kill</c>, <c>cache/fault4half/31:none</c>, <c>disk/end</c> (no crash). Keeps true: the text,
/// read again, is the same key.
/// </summary>
internal sealed partial record CrashKey(CrashTestTarget Target, CrashFault? Fault, IReadOnlyList<CrashStep> Steps)
{
    public static CrashKey Parse(string text)
    {
        string[] parts = text.Split('/');
        CrashTestTarget target = parts[0] switch
        {
            "disk" => CrashTestTarget.Disk,
            "cache" => CrashTestTarget.Cache,
            _ => throw new FormatException($"'{text}' is no key of a crash test."),
        };
        CrashFault? fault = null;
        var steps = new List<CrashStep>();
        foreach (string part in parts.Skip(1).Where(part => part != "end"))
        {
            Match match = Step().Match(part);
            if (!match.Success)
            {
                throw new FormatException($"'{text}' is no key of a crash test: '{part}'.");
            }

            int number = int.Parse(match.Groups["number"].Value, CultureInfo.InvariantCulture);
            if (match.Groups["kind"].Success)
            {
                fault = new CrashFault(
                    number, Enum.Parse<CrashFaultKind>(match.Groups["kind"].Value, ignoreCase: true));
            }
            else
            {
                steps.Add(new CrashStep(number, match.Groups["choice"].Value));
            }
        }

        return new CrashKey(target, fault, steps);
    }

    public override string ToString()
    {
        string fault =
            Fault is null ? "" : string.Create(CultureInfo.InvariantCulture, $"/fault{Fault.Call}{Fault.Name}");
        string steps = string.Concat(
            Steps.Select(step => string.Create(CultureInfo.InvariantCulture, $"/{step.Point}:{step.Choice}")));
        return $"{(Target == CrashTestTarget.Disk ? "disk" : "cache")}{fault}{(steps.Length == 0 ? "/end" : steps)}";
    }

    [GeneratedRegex(
        @"^(?:fault(?<number>\d+)(?<kind>before|half|after)"
        + @"|(?<number>\d+):(?<choice>kill|(?:none|all)(?:[+-][\d,=]+)?))$")]
    private static partial Regex Step();
}

/// <summary>How a call fails.</summary>
internal enum CrashFaultKind
{
    /// <summary>It has had no effect.</summary>
    Before,

    /// <summary>The first half of a write's sectors is written; other calls: no effect.</summary>
    Half,

    /// <summary>It has had its effect.</summary>
    After,
}

/// <summary>The call of the application that fails.</summary>
internal sealed record CrashFault(int Call, CrashFaultKind Kind)
{
    public string Name => Kind switch
    {
        CrashFaultKind.Before => "before",
        CrashFaultKind.Half => "half",
        _ => "after",
    };
}
