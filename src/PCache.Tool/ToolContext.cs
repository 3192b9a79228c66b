// Keeps true: commands reach the console through this object only, so that tests run them in-process with captured output.
using System.Text;

namespace PCache.Tool;

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
            ShowProgress = !Console.IsErrorRedirected,
        };
    }

    /// <summary>Writes one line and lets it be seen at once.</summary>
    public void WriteLine(string text)
    {
        Out.WriteLine(text);
        Out.Flush();
    }
}
