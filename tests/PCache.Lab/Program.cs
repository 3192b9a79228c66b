using PCache.Lab.Commands;

return LabCommand.Invoke(args, ToolContext.ForConsole());
