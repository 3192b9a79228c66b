// Keeps true: a probe changes nothing but that a check may come between.
using System.Runtime.CompilerServices;

namespace PCache.Lab.Mutants;

/// <summary>
/// A moment in the middle of something, at which the checked build calls what a check has asked for on this thread.
/// </summary>
/// <param name="Name">The member of the enum Moment that the checked build has.</param>
/// <param name="What">What has just happened.</param>
/// <param name="File">From the repository's root.</param>
/// <param name="Text">See <see cref="Change"/>: an insertion.</param>
/// <param name="Table">The table that has the probe, for messages.</param>
/// <param name="Line">Its line there.</param>
internal sealed record Probe(string Name, string What, string File, string Text, [CallerFilePath] string Table =
    "", [CallerLineNumber] int Line = 0)
    : Change(File, Text, $"global::PCache.Core.Checked.Mutation.Reach(global::PCache.Core.Checked.Moment.{Name});",
        Table, Line);
