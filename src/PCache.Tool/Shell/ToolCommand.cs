using System.CommandLine;

namespace PCache.Tool.Shell;

/// <summary>A subcommand with examples for its help.</summary>
internal sealed class ToolCommand(string name, string description, params string[] examples)
    : Command(name, description)
{
    /// <summary>Whole command lines.</summary>
    public IReadOnlyList<string> Examples { get; } = examples;
}
