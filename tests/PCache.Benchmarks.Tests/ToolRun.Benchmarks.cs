using PCache.Benchmarks.Commands;

namespace PCache.Tool.Tests.Support;

/// <summary>Runs the benchmarks' program.</summary>
internal sealed partial record ToolRun
{
    public static ToolRun Run(params string[] args) => Of(context => BenchmarksCommand.Invoke(args, context));
}
