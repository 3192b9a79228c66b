namespace PCache.Tool.Tests.Support;

/// <summary>Runs <c>pcache</c>.</summary>
internal sealed partial record ToolRun
{
    public static ToolRun Run(params string[] args) => Of(context => PCacheCommand.Invoke(args, context));

    public static ToolRun RunWithInput(byte[] input, params string[] args) =>
        Of(context => PCacheCommand.Invoke(args, context), input);
}
