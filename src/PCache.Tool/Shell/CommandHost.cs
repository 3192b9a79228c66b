// Keeps true: whatever happens, the process ends with one of the documented exit codes, and an expected error is one or
// two sentences on standard error, never a stack trace.
using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace PCache.Tool.Shell;

/// <summary>Runs a command line: parses, dispatches, and turns errors into exit codes.</summary>
internal static class CommandHost
{
    /// <summary>Runs one command line on the tree that <paramref name="build"/> makes.</summary>
    public static int Invoke(Func<ToolContext, ToolRoot> build, IReadOnlyList<string> args, ToolContext context)
    {
        context = context.WithSafeLines();
        try
        {
            ToolRoot root = build(context);
            HelpOption help = root.Options.OfType<HelpOption>().Single();
            help.Action = new HelpWithExamples((HelpAction)help.Action!, root);

            // A path may begin with '@': no response files.
            ParseResult parse = root.Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
            if (parse.Errors.Count > 0 && parse.Action is ParseErrorAction or null)
            {
                WriteParseErrors(root, parse, context);
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

    private static void WriteParseErrors(ToolRoot root, ParseResult parse, ToolContext context)
    {
        // One message is enough to act on; a wrong word often causes a second one about what is then missing.
        string message = parse.CommandResult.Command is RootCommand && parse.UnmatchedTokens.Count > 0
            ? $"'{parse.UnmatchedTokens[0]}' is neither a command nor an option."
            : parse.Errors[0].Message;
        var path = new Stack<string>();
        SymbolResult? result = parse.CommandResult;
        while (result is CommandResult { Command: not RootCommand } command)
        {
            path.Push(command.Command.Name);
            result = command.Parent;
        }

        path.Push(root.CommandName);
        context.Error.WriteLine("error: " + ErrorReport.OneLine(message)
            + $" Run '{string.Join(' ', path)} --help' for usage and examples.");
    }

    /// <summary>The usual help, and the command's examples after it.</summary>
    private sealed class HelpWithExamples(HelpAction inner, ToolRoot root) : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int result = inner.Invoke(parseResult);
            IReadOnlyList<string> examples = parseResult.CommandResult.Command is ToolCommand command ? command.Examples
                : root.Examples;
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
