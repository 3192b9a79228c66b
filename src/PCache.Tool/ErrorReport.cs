// Keeps true: every expected exception has an exit code and one line of text that says what to do; an unexpected one (a defect) isn't hidden.
using PCache.Core;

namespace PCache.Tool;

/// <summary>Exceptions to exit codes and messages.</summary>
internal static class ErrorReport
{
    /// <summary>Exit code and message of an exception that a command let through; false: a defect of the tool.</summary>
    public static bool TryDescribe(Exception exception, out int exitCode, out string message)
    {
        (exitCode, message) = exception switch
        {
            ToolException tool => (tool.ExitCode, tool.Message),
            // The library's advice is for programmers; here is the command's instead.
            PCacheNotFormattedException => (ExitCode.Refused, FirstSentence(exception) + " If it held a cache, see with 'pcache check' what can be rescued; use 'pcache format' on it only if nothing that it holds is needed."),
            PCacheBackingMismatchException => (ExitCode.Refused, FirstSentence(exception) + " Give the backing that the cache belongs to, or bind this one with 'pcache bind --force'."),
            PCacheLostWritesException => (ExitCode.Refused, FirstSentence(exception) + " Save the rest with 'pcache read', or go on without them with 'pcache writeback --accept-lost'."),
            PCacheInUseException => (ExitCode.Refused, FirstSentence(exception) + " Close the program that uses it, then try again."),
            PCacheFullException => (ExitCode.Refused, FirstSentence(exception) + " Run 'pcache writeback' to make room."),
            PCacheCorruptionException => (ExitCode.Damage, Advise(exception, "Run 'pcache check' for the whole list.")),
            UnauthorizedAccessException => (ExitCode.Refused, Advise(exception, "Check the permissions of the file.")),
            FileNotFoundException or DirectoryNotFoundException => (ExitCode.Refused, Advise(exception, "Check the path.")),
            IOException => (ExitCode.Refused, Advise(exception, "Nothing more was done.")),
            NotSupportedException or PlatformNotSupportedException => (ExitCode.Refused, Advise(exception, string.Empty)),
            OperationCanceledException => (ExitCode.Interrupted, "Interrupted. What was flushed before is safe; run the command again to go on."),
            OutOfMemoryException => (ExitCode.Refused, "There isn't enough memory for this. Try a smaller size."),
            _ => (ExitCode.Refused, string.Empty),
        };
        return message.Length > 0;
    }

    /// <summary>Joins lines, so that a message stays one line.</summary>
    public static string OneLine(string text)
    {
        string line = string.Join(' ', text.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
        return line.Length == 0 || line[^1] is '.' or '!' or '?' ? line : line + ".";
    }

    /// <summary>What is wrong, without the advice that follows.</summary>
    public static string FirstSentence(Exception exception)
    {
        string text = OneLine(exception.Message);
        int end = text.IndexOf(". ", StringComparison.Ordinal);
        return end < 0 ? text : text[..(end + 1)];
    }

    private static string Advise(Exception exception, string advice) => (OneLine(exception.Message) + " " + advice).TrimEnd();
}
