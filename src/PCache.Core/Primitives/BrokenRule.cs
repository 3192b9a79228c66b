namespace PCache.Core.Primitives;

/// <summary>What <see cref="RuleSwitch"/> can break; each is one line of the rules that the format's page and the page on testing list.</summary>
internal enum BrokenRule
{
    /// <summary>All rules hold.</summary>
    None = 0,

    /// <summary>Rule 1: the kset is stored before the payload that it names is durable.</summary>
    PayloadBeforeKset,
}
