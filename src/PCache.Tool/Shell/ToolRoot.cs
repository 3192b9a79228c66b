using System.CommandLine;

namespace PCache.Tool.Shell;

/// <summary>A program's root command.</summary>
/// <param name="commandName">What is typed to start the program, in messages.</param>
/// <param name="description">What the program does.</param>
/// <param name="examples">Whole command lines, for its help.</param>
internal sealed class ToolRoot(string commandName, string description, params string[] examples)
    : RootCommand(description)
{
    /// <summary>What is typed to start the program.</summary>
    public string CommandName { get; } = commandName;

    /// <summary>Whole command lines.</summary>
    public IReadOnlyList<string> Examples { get; } = examples;
}
