// Keeps true: each verb runs what the suite runs, for as long as one likes; exit code 0 only if nothing was found.
namespace PCache.Lab.Commands;

/// <summary>The laboratory's root command.</summary>
internal static class LabCommand
{
    /// <summary>How the laboratory is started from the tree's root.</summary>
    public const string Start = "dotnet run -c Release --project tests/PCache.Lab --";

    /// <summary>Runs one command line.</summary>
    public static int Invoke(IReadOnlyList<string> args, ToolContext context) =>
        CommandHost.Invoke(Build, args, context);

    /// <summary>Makes the whole command tree.</summary>
    public static ToolRoot Build(ToolContext context)
    {
        var root = new ToolRoot(
            Start,
            "Runs the library through power cuts, kills, hostile images and races, for as long as one likes.\n\n"
            + "Exit codes: 0 nothing found; 1 violations found; 2 wrong usage; 3 refused before doing anything; 130 "
            + "interrupted.",
            Start + " torture --seconds 600",
            Start + " kills --kills 5000");
        root.Add(TortureCommand.Build(context));
        root.Add(HostileCommand.Build(context));
        root.Add(SoakCommand.Build(context));
        root.Add(KillsCommand.Build(context));
        root.Add(KillWriterCommand.Build(context));
        return root;
    }
}
