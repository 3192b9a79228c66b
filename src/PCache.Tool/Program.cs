using PCache.Tool;

return PCacheCommand.Invoke(args, ToolContext.ForConsole());
