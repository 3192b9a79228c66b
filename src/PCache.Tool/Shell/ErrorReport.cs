// Keeps true: every expected exception has an exit code and one line of text that says what to do; an unexpected one
// (a defect) isn't hidden.
using PCache.Core;
using PCache.Core.Files;

namespace PCache.Tool.Shell;

/// <summary>Exceptions to exit codes and messages.</summary>
internal static class ErrorReport
{
    /// <summary>
    /// Exit code and message of an exception that a command let through; false: a defect of the tool.
    /// </summary>
    public static bool TryDescribe(Exception exception, out int exitCode, out string message)
    {
        (exitCode, message) = exception switch
        {
            ToolException tool => (tool.ExitCode, tool.Message),
            // The library's advice is for programmers; here is the command's instead.
            PCacheNotFormattedException => (ExitCode.Refused, NoCache(exception) + FirstSentence(exception) + " If it "
                + "held a cache, see with 'pcache check' what can be rescued; use 'pcache format' on it only if "
                + "nothing that it holds is needed."),
            PCacheBackingMismatchException => (ExitCode.Refused, FirstSentence(exception) + " Give the backing that "
                + "the cache belongs to, or bind this one with 'pcache bind --force'."),
            PCacheLostWritesException => (ExitCode.Refused, FirstSentence(exception) + " Save the rest with 'pcache "
                + "read', or go on without them with 'pcache writeback --accept-lost'."),
            PCacheInUseException =>
                (ExitCode.Refused, FirstSentence(exception) + " Close the program that uses it, then try again."),
            PCacheFullException =>
                (ExitCode.Refused, FirstSentence(exception) + " Run 'pcache writeback' to make room."),
            PCacheCorruptionException => (ExitCode.Damage, Advise(exception, "Run 'pcache check' for the whole list.")),
            UnauthorizedAccessException => (ExitCode.Refused, Advise(exception, "Check the permissions of the file.")),
            FileNotFoundException or DirectoryNotFoundException =>
                (ExitCode.Refused, Advise(exception, "Check the path.")),
            IOException => (ExitCode.Refused, Advise(exception, "Nothing more was done.")),
            NotSupportedException or PlatformNotSupportedException =>
                (ExitCode.Refused, Advise(exception, string.Empty)),
            OperationCanceledException =>
                (ExitCode.Interrupted, "Interrupted. What was flushed before is safe; run the command again to go on."),
            OutOfMemoryException => (ExitCode.Refused, "There isn't enough memory for this. Try a smaller size."),
            _ => (ExitCode.Refused, string.Empty),
        };
        return message.Length > 0;
    }

    /// <summary>
    /// Whether a medium (a disk that is full or failing, a pipe that is gone) ended the work, rather than what is in
    /// the cache.
    /// </summary>
    public static bool IsFailedMedium(Exception exception) =>
        exception is IOException and not PCacheCorruptionException;

    /// <summary>
    /// The error of work that a failing medium has ended: "refused" where nothing at all was done; else it isn't,
    /// whatever can be done next.
    /// </summary>
    /// <param name="exception">What the medium said.</param>
    /// <param name="doneBytes">What was done and stays.</param>
    /// <param name="done">The same as a sentence.</param>
    /// <param name="advice">What is safe, and what to do.</param>
    public static ToolException Unfinished(Exception exception, long doneBytes, string done, string advice) =>
        doneBytes > 0
        ? ToolException.Damage($"{OneLine(exception.Message)} {done} {advice}", exception)
        : ToolException.Refused($"{OneLine(exception.Message)} Nothing was written. {advice}", exception);

    /// <summary>
    /// A message as one line: line breaks and control characters, which may come from a file name or a label, are
    /// escaped.
    /// </summary>
    public static string OneLine(string text)
    {
        string line = SafeText.Of(text.Trim());
        return line.Length == 0 || line[^1] is '.' or '!' or '?' ? line : line + ".";
    }

    /// <summary>What is wrong, without the advice that follows.</summary>
    public static string FirstSentence(Exception exception)
    {
        string text = OneLine(exception.Message);
        int end = text.IndexOf(". ", StringComparison.Ordinal);
        return end < 0 ? text : text[..(end + 1)];
    }

    /// <summary>Of a cache whose superblock or cache info is destroyed no message says that it isn't one.</summary>
    private static string NoCache(Exception exception) =>
        exception.Message.Contains("destroyed", StringComparison.Ordinal) ? string.Empty : "This isn't a cache: ";

    private static string Advise(Exception exception, string advice) =>
        (OneLine(exception.Message) + " " + advice).TrimEnd();
}
