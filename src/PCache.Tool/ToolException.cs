namespace PCache.Tool;

/// <summary>An error with its exit code and a text for people: what is wrong, and what to do.</summary>
internal sealed class ToolException : Exception
{
    public ToolException(int exitCode, string message, Exception? innerException = null)
        : base(message, innerException)
    {
        ExitCode = exitCode;
    }

    public int ExitCode { get; }

    public static ToolException Usage(string message) => new(PCache.Tool.ExitCode.Usage, message);

    public static ToolException Refused(string message, Exception? cause = null) => new(PCache.Tool.ExitCode.Refused, message, cause);

    public static ToolException Damage(string message, Exception? cause = null) => new(PCache.Tool.ExitCode.Damage, message, cause);
}
