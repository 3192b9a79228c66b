// Keeps true: nothing is broken on a thread that hasn't asked for it; this exists in the checked build only.
namespace PCache.Core.Checked;

/// <summary>Breaks one rule of the product on one thread, so that tests can show that a broken rule is found.</summary>
internal static class Mutation
{
    [ThreadStatic]
    private static Rule _broken;

    /// <summary>
    /// Run on this thread where a rule is broken that keeps others out: what may come between. Null: nothing.
    /// </summary>
    [field: ThreadStatic]
    public static Action? Between { get; set; }

    /// <summary>Run on this thread at a moment that the table has a probe for. Null: nothing.</summary>
    [field: ThreadStatic]
    public static Action<Moment>? At { get; set; }

    /// <summary>Whether this thread wants to know of moments.</summary>
    public static bool IsProbed => At is not null;

    /// <summary>What this thread has broken.</summary>
    public static Rule Broken => _broken;

    /// <summary>Whether this thread has broken <paramref name="rule"/>.</summary>
    public static bool Is(Rule rule) => _broken == rule;

    /// <summary>A moment has come. What runs there isn't told of others.</summary>
    public static void Reach(Moment moment)
    {
        Action<Moment> at = At!;
        At = null;
        at(moment);
        At = at;
    }

    /// <summary>Breaks a rule for this thread until the result is disposed.</summary>
    public static Mending Break(Rule rule)
    {
        Rule before = _broken;
        _broken = rule;
        return new Mending(before);
    }

    /// <summary>Mends what <see cref="Break"/> broke.</summary>
    public readonly struct Mending(Rule before) : IDisposable
    {
        public void Dispose()
        {
            _broken = before;

            // What was broken on purpose breaks invariants too: the next test on this thread has nothing to do with it.
            PCache.Core.Primitives.Invariant.TakeBroken();
        }
    }
}
