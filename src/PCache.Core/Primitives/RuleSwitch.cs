namespace PCache.Core.Primitives;

/// <summary>
/// Breaks one rule of the engine, so that tests can show that a broken rule is found. Keeps true: nothing is ever broken in a process that wasn't started
/// with the runtime option <c>PCache.Core.RuleSwitches</c> (only the simulation's tests set it), nor on any thread but the one that asked; where the option is
/// off, the JIT sees a constant and the checks cost nothing.
/// </summary>
internal static class RuleSwitch
{
    private static readonly bool Armed = AppContext.TryGetSwitch("PCache.Core.RuleSwitches", out bool on) && on;

    [ThreadStatic]
    private static BrokenRule _broken;

    /// <summary>Run on this thread at the place where a rule is broken that keeps others out: what may come between there. Null: nothing.</summary>
    [field: ThreadStatic]
    public static Action? Between { get; set; }

    /// <summary>Whether this thread has broken <paramref name="rule"/>.</summary>
    public static bool IsBroken(BrokenRule rule) => Armed && _broken == rule;

    /// <summary>Whether this thread has broken any: short cuts are left out then, so that the rules need be breakable in one place only.</summary>
    public static bool IsAnyBroken => Armed && _broken != BrokenRule.None;

    /// <summary>Breaks a rule for this thread until the result is disposed.</summary>
    /// <exception cref="InvalidOperationException">The process doesn't allow it.</exception>
    public static Restore Break(BrokenRule rule)
    {
        if (!Armed)
        {
            throw new InvalidOperationException("Rules can be broken only in a process with the runtime option PCache.Core.RuleSwitches.");
        }

        BrokenRule before = _broken;
        _broken = rule;
        return new Restore(before);
    }

    /// <summary>Mends what <see cref="Break"/> broke.</summary>
    public readonly struct Restore(BrokenRule before) : IDisposable
    {
        public void Dispose() => _broken = before;
    }
}
