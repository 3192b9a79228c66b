namespace PCache.Tool.Shell;

/// <summary>An error with its exit code and a text for people: what is wrong, and what to do.</summary>
internal sealed class ToolException : Exception
{
    public ToolException(int exitCode, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        ExitCode = exitCode;
    }

    public int ExitCode { get; }

    public static ToolException Usage(string message) => new(Shell.ExitCode.Usage, message);

    public static ToolException Refused(string message, Exception? cause = null) =>
        new(Shell.ExitCode.Refused, message, cause);

    public static ToolException Damage(string message, Exception? cause = null) =>
        new(Shell.ExitCode.Damage, message, cause);
}
