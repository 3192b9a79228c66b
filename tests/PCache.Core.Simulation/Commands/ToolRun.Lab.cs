using PCache.Lab.Commands;

namespace PCache.Tool.Tests.Support;

/// <summary>Runs the laboratory's program.</summary>
internal sealed partial record ToolRun
{
    public static ToolRun Run(params string[] args) => Of(context => LabCommand.Invoke(args, context));
}
