using System.Collections;
using System.Collections.Concurrent;
using PCache.Core.Primitives;
using Xunit.Sdk;

namespace PCache.Core.Simulation.Rules;

/// <summary>
/// Checks by the switch that each has to see thrown. Keeps true: a check is run both ways, on a thread of its own; as
/// the code is it must find nothing, with the rule broken it must find something: an assertion that fails, an error
/// that the caller of a sound device never sees, or a call that doesn't end.
/// </summary>
internal sealed class RuleChecks : IEnumerable<KeyValuePair<Rule, Action>>
{
    private static readonly TimeSpan Longest = TimeSpan.FromMinutes(2);
    private readonly Dictionary<Rule, Action> _checks = [];
    private readonly ConcurrentDictionary<Action, Lazy<Exception?>> _sound = new();

    /// <summary>The switches, as xUnit wants them.</summary>
    public TheoryData<string> Names => [.. _checks.Keys.Select(rule => rule.ToString())];

    public IEnumerable<Rule> Rules => _checks.Keys;

    public void Add(Rule rule, Action check) => _checks.Add(rule, check);

    /// <summary>One check that finds several broken rules.</summary>
    public void Add(Rule[] rules, Action check)
    {
        foreach (Rule rule in rules)
        {
            _checks.Add(rule, check);
        }
    }

    /// <summary>Runs a switch's check both ways.</summary>
    public void AssertFound(string name)
    {
        Rule rule = Enum.Parse<Rule>(name);
        Action check = _checks[rule];
        // once for all rules of a check
        Exception? sound = _sound.GetOrAdd(check, sound => new Lazy<Exception?>(() => Run(Rule.None, sound))).Value;
        Assert.True(sound is null, $"nothing is broken, and yet: {sound}");
        Exception? found = Run(rule, check);
        Assert.True(found is not null, $"{rule} is broken, and its check didn't notice");
        Assert.True(found is XunitException or IntegrityException or IOException or InvalidOperationException
            or ArgumentException, $"{rule} is broken, and the check stumbled over it: {found}");
    }

    public IEnumerator<KeyValuePair<Rule, Action>> GetEnumerator() => _checks.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static Exception? Run(Rule rule, Action check)
    {
        Exception? result = null;
        var thread = new Thread(() =>
        {
            using (Mutation.Break(rule))
            {
                result = Record.Exception(check) ?? Invariant.TakeBroken();
            }
        })
        { IsBackground = true };
        thread.Start();
        return thread.Join(Longest) ? result : new InvalidOperationException("The check doesn't end.");
    }
}
