using PCache.Benchmarks.Commands;

return BenchmarksCommand.Invoke(args, ToolContext.ForConsole());
