using System.Globalization;
using System.Text;

namespace PCache.Testing;

/// <summary>What kind of failure a <see cref="CrashTest"/> found.</summary>
public enum CrashTestFailureKind
{
    /// <summary>The workload threw though nothing was made to fail, or misused the device.</summary>
    Workload,

    /// <summary>The verification failed after a workload that ended well, without any crash.</summary>
    NoCrash,

    /// <summary>The verification failed after a power cut.</summary>
    PowerCut,

    /// <summary>The verification failed after a kill of the process.</summary>
    Kill,
}

/// <summary>
/// A failure of a <see cref="CrashTest"/>: what was done, what was left, what was wrong with it. Immutable.
/// </summary>
public sealed record CrashTestFailure
{
    /// <summary>What kind of failure. Of several crashes in a row, the last one's.</summary>
    public required CrashTestFailureKind Kind { get; init; }

    /// <summary>
    /// Names exactly this state; see <see cref="CrashTest.Replay"/>. Holds for the same workload and the same
    /// settings.
    /// </summary>
    public required string Key { get; init; }

    /// <summary>
    /// The kind of mistake in words, and what helps against it: what was found out by trying states beside the
    /// failing one, for people.
    /// </summary>
    public string Explanation { get; init; } = "";

    /// <summary>What the verification (or the workload) threw.</summary>
    public required Exception Exception { get; init; }

    /// <summary>Seed of the test.</summary>
    public int Seed { get; init; }

    /// <summary>Number of the crash point in the workload, from 0; -1 if there was no crash.</summary>
    public int CrashPoint { get; init; } = -1;

    /// <summary>
    /// Number of the state among those that were tried at its crash point, from 0; -1 if there was no crash.
    /// </summary>
    public int StateNumber { get; init; } = -1;

    /// <summary>Number of crashes: 1, and one more for each crash during a verification.</summary>
    public int Crashes { get; init; }

    /// <summary>Where the crashes were, first one first.</summary>
    public IReadOnlyList<string> Where { get; init; } = [];

    /// <summary>
    /// What the last crash left of the undecided sectors and words, after making it as small as possible: the
    /// deviations from all kept or from all lost.
    /// </summary>
    public IReadOnlyList<string> State { get; init; } = [];

    /// <summary>The last calls before the crashes, oldest first.</summary>
    public IReadOnlyList<string> Trace { get; init; } = [];

    /// <summary>What was begun and promised when the last crash came.</summary>
    public IReadOnlyList<CrashTestEntry> Log { get; init; } = [];

    /// <summary>The report, of several lines.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        _ = text.Append(Kind switch
        {
            CrashTestFailureKind.Workload => "The workload failed",
            CrashTestFailureKind.NoCrash => "The verification failed without any crash",
            CrashTestFailureKind.Kill => "The verification failed after a kill of the process",
            _ => "The verification failed after a power cut",
        }).Append(": ").Append(Exception.Message).Append('\n');
        _ = Explanation.Length == 0 ? text : text.Append("In words: ").Append(Explanation).Append('\n');
        _ = text.Append(CultureInfo.InvariantCulture, $"Key: {Key} (seed {Seed}, crash point {CrashPoint}, state "
            + $"{StateNumber}); run only this state with CrashTest.Replay(key).\n");
        AppendList(text, "Crashed", Where);
        AppendList(text, "What the crash left", State);
        AppendList(text, "Last calls", Trace);
        return text.Append(Exception.GetType().Name).Append(":\n").Append(Exception).ToString();
    }

    private static void AppendList(StringBuilder text, string head, IReadOnlyList<string> lines)
    {
        if (lines.Count > 0)
        {
            _ = text.Append(head).Append(":\n");
            foreach (string line in lines)
            {
                _ = text.Append("  ").Append(line).Append('\n');
            }
        }
    }
}
