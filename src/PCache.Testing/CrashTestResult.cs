using System.Globalization;

namespace PCache.Testing;

/// <summary>What a <see cref="CrashTest"/> has done and found. Immutable.</summary>
public sealed record CrashTestResult
{
    /// <summary>
    /// Moments of the workload at which a crash could leave another state than before: every call of a device that
    /// changes something, and the end.
    /// </summary>
    public int CrashPoints { get; init; }

    /// <summary>How many of them were crashed at.</summary>
    public int CrashPointsTried { get; init; }

    /// <summary>States of the workload's crashes that were verified.</summary>
    public long States { get; init; }

    /// <summary>States of crashes during a verification that were verified.</summary>
    public long NestedStates { get; init; }

    /// <summary>All verifications that were run, also those that made a failure smaller.</summary>
    public long Verifications { get; init; }

    /// <summary>Workloads that were run with a failing call.</summary>
    public int Faults { get; init; }

    /// <summary>The first failure; null: none.</summary>
    public CrashTestFailure? Failure { get; init; }

    /// <summary>Throws if there is a failure; the message is its whole report.</summary>
    /// <returns>This result.</returns>
    /// <exception cref="CrashTestException">There is a failure.</exception>
    public CrashTestResult ThrowIfFailed() => Failure is null ? this : throw new CrashTestException(Failure);

    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{(Failure is null ? "passed" : "FAILED")}: {CrashPointsTried} of {CrashPoints} crash points, {States} "
        + $"states, {NestedStates} states of crashes during recovery, {Faults} failing calls, {Verifications} "
        + $"verifications");
}
