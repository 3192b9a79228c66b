using System.Globalization;
using System.Text;

namespace PCache.Lab.Torture;

/// <summary>A violation, and how to see it again.</summary>
/// <param name="Seed">The workload's seed: <c>torture --seed</c> begins with it.</param>
/// <param name="Kind">Which kind of workload.</param>
/// <param name="Text">What was promised and what was found.</param>
/// <param name="Settings">The machine.</param>
/// <param name="Script">The script, as small as it could be made.</param>
/// <param name="Exception">What was thrown.</param>
internal sealed record TortureFailure(int Seed, string Kind, string Text, string Settings,
    IReadOnlyList<string> Script, Exception Exception)
{
    /// <summary>All of it, for people.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        _ = text.AppendLine(CultureInfo.InvariantCulture, $"seed {Seed} ({Kind}): {Text}").AppendLine(Settings);
        for (int i = 0; i < Script.Count; i++)
        {
            _ = text.AppendLine(CultureInfo.InvariantCulture, $"  {i,3}: {Script[i]}");
        }

        return text.Append(Exception).ToString();
    }
}
