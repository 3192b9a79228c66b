// Keeps true: every command of the tool hangs on this root, in the order in which help shows them.
using PCache.Tool.Bench;
using PCache.Tool.Commands;
using PCache.Tool.Demo;

namespace PCache.Tool;

/// <summary>The root command.</summary>
internal static class PCacheCommand
{
    private const string Name = "pcache";

    /// <summary>Runs one command line.</summary>
    public static int Invoke(IReadOnlyList<string> args, ToolContext context) =>
        CommandHost.Invoke(Build, args, context);

    /// <summary>Makes the whole command tree.</summary>
    public static ToolRoot Build(ToolContext context)
    {
        var root = new ToolRoot(
            Name,
            "Persistent write-back cache on memory in front of a slow backing: makes, inspects, checks, reads, writes, "
            + "drains and measures cache files.\n\n"
            + "Exit codes: 0 done and sound; 1 damage, lost writes or violations found; 2 wrong usage; 3 refused "
            + "before doing anything; 130 interrupted.",
            "pcache demo",
            "pcache format cache.img --size 1G",
            "pcache status cache.img");
        root.Add(DemoCommand.Build(context));
        root.Add(FormatCommand.Build(context));
        root.Add(StatusCommand.Build(context));
        root.Add(CheckCommand.Build(context));
        root.Add(DumpCommand.Build(context));
        root.Add(ReadCommand.Build(context));
        root.Add(WriteCommand.Build(context));
        root.Add(WritebackCommand.Build(context));
        root.Add(ExportCommand.Build(context));
        root.Add(ApplyCommand.Build(context));
        root.Add(RecoverCommand.Build(context));
        root.Add(BindCommand.Build(context));
        root.Add(SetCommand.Build(context));
        root.Add(SqliteCommand.Build(context));
        root.Add(BenchCommand.Build(context));
        root.Add(DemoWriterCommand.Build(context));
        return root;
    }
}
