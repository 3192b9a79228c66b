// Keeps true: commands reach the console through this object only, so that tests run them in-process with captured
// output.
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace PCache.Tool.Shell;

/// <summary>Where a command reads and writes.</summary>
internal sealed class ToolContext
{
    /// <summary>Standard output as text.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Standard error as text.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Standard input as bytes.</summary>
    public required Func<Stream> OpenInput { get; init; }

    /// <summary>Standard output as bytes.</summary>
    public required Func<Stream> OpenOutput { get; init; }

    /// <summary>
    /// What standard output is, where the system tells; null: nothing that could be a file of the command.
    /// </summary>
    public SafeFileHandle? OutputHandle { get; init; }

    /// <summary>Whether a progress bar may be drawn on standard error: a terminal.</summary>
    public bool ShowProgress { get; init; }

    public static ToolContext ForConsole()
    {
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        return new ToolContext
        {
            Out = new StreamWriter(Console.OpenStandardOutput(), utf8, 1 << 16),
            Error = new StreamWriter(Console.OpenStandardError(), utf8) { AutoFlush = true },
            OpenInput = Console.OpenStandardInput,
            OpenOutput = Console.OpenStandardOutput,
            OutputHandle = OperatingSystem.IsWindows() ? null : new SafeFileHandle(1, ownsHandle: false),
            ShowProgress = !Console.IsErrorRedirected,
        };
    }

    /// <summary>The same, with lines that show what they are, whatever a label or a file name holds.</summary>
    public ToolContext WithSafeLines() => new()
    {
        Out = new SafeWriter(Out),
        Error = new SafeWriter(Error),
        OpenInput = OpenInput,
        OpenOutput = OpenOutput,
        OutputHandle = OutputHandle,
        ShowProgress = ShowProgress,
    };

    /// <summary>Writes one line and lets it be seen at once.</summary>
    public void WriteLine(string text)
    {
        Out.WriteLine(text);
        Out.Flush();
    }
}
