// Keeps true: whatever happens, the process ends with one of the documented exit codes, and an error is one or two sentences on standard error, never a stack trace.
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using PCache.Tool.Bench;
using PCache.Tool.Commands;
using PCache.Tool.Demo;

namespace PCache.Tool;

/// <summary>The root command: parses, dispatches, and turns errors into exit codes.</summary>
internal static class PCacheCommand
{
    /// <summary>Runs one command line.</summary>
    public static int Invoke(IReadOnlyList<string> args, ToolContext context)
    {
        context = context.WithSafeLines();
        try
        {
            // A path may begin with '@': no response files.
            ParseResult parse = Build(context).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parse.Errors.Count > 0 && parse.Action is ParseErrorAction or null)
            {
                WriteParseErrors(parse, context);
                return ExitCode.Usage;
            }

            var configuration = new InvocationConfiguration
            {
                Output = context.Out,
                Error = context.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = TimeSpan.FromSeconds(10),
            };
            return parse.InvokeAsync(configuration).GetAwaiter().GetResult();
        }
        catch (Exception exception) when (ErrorReport.TryDescribe(exception, out int exitCode, out string message))
        {
            context.Error.WriteLine("error: " + message);
            return exitCode;
        }
        finally
        {
            context.Out.Flush();
            context.Error.Flush();
        }
    }

    /// <summary>Makes the whole command tree.</summary>
    public static RootCommand Build(ToolContext context)
    {
        var root = new RootCommand(
            "Persistent write-back cache on memory in front of a slow backing: makes, inspects, checks, reads, writes, drains and measures cache files.\n\n"
            + "Exit codes: 0 done and sound; 1 damage, lost writes or violations found; 2 wrong usage; 3 refused before doing anything; 130 interrupted.");
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
        root.Add(BindCommand.Build(context));
        root.Add(SetCommand.Build(context));
        root.Add(SqliteCommand.Build(context));
        root.Add(BenchCommand.Build(context));
        root.Add(TortureCommand.Build(context));
        root.Add(DemoWriterCommand.Build(context));
        HelpOption help = root.Options.OfType<HelpOption>().Single();
        help.Action = new HelpWithExamples((HelpAction)help.Action!);
        return root;
    }

    private static void WriteParseErrors(ParseResult parse, ToolContext context)
    {
        // One message is enough to act on; a wrong word often causes a second one about what is then missing.
        string message = parse.CommandResult.Command is RootCommand && parse.UnmatchedTokens.Count > 0
            ? $"'{parse.UnmatchedTokens[0]}' is neither a command nor an option."
            : parse.Errors[0].Message;
        var path = new Stack<string>();
        for (SymbolResult? result = parse.CommandResult; result is CommandResult { Command: not RootCommand } command; result = command.Parent)
        {
            path.Push(command.Command.Name);
        }

        path.Push("pcache");
        context.Error.WriteLine("error: " + ErrorReport.OneLine(message) + $" Run '{string.Join(' ', path)} --help' for usage and examples.");
    }

    /// <summary>The usual help, and the command's examples after it.</summary>
    private sealed class HelpWithExamples(HelpAction inner) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int result = inner.Invoke(parseResult);
            IReadOnlyList<string> examples = parseResult.CommandResult.Command switch
            {
                ToolCommand command => command.Examples,
                _ => ["pcache demo", "pcache format cache.img --size 1G", "pcache status cache.img"],
            };
            TextWriter output = parseResult.InvocationConfiguration.Output;
            output.WriteLine(examples.Count == 1 ? "Example:" : "Examples:");
            foreach (string example in examples)
            {
                output.WriteLine("  " + example);
            }

            return result;
        }
    }
}
