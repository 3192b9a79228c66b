// Keeps true: a rule's name is unique, an identifier, and the member of the enum Rule that the checked build has.
namespace PCache.Lab.Mutants;

/// <summary>
/// A rule of the product that can be broken in the checked build, on one thread, while a test asks for it.
/// </summary>
/// <param name="Name">What is broken, in a few words.</param>
/// <param name="Where">Which rule or class of failure of docs/testing-rules.md it belongs to.</param>
/// <param name="What">What is broken, for the page.</param>
/// <param name="FoundBy">The kind of test that finds it.</param>
/// <param name="Changes">What is changed while it is broken.</param>
internal sealed record RuleRow(string Name, string Where, string What, string FoundBy, Change[] Changes);
