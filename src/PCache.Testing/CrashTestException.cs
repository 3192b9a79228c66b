namespace PCache.Testing;

/// <summary>
/// An application didn't keep a promise, or a <see cref="CrashTest"/> found a state in which its verification fails.
/// </summary>
public sealed class CrashTestException : Exception
{
    /// <summary>Makes the exception without details.</summary>
    public CrashTestException()
    {
    }

    /// <summary>Makes the exception.</summary>
    /// <param name="message">What went wrong.</param>
    public CrashTestException(string message)
        : base(message)
    {
    }

    /// <summary>Makes the exception.</summary>
    /// <param name="message">What went wrong.</param>
    /// <param name="innerException">What the verification threw.</param>
    public CrashTestException(string message, Exception innerException)
        : base(message, innerException)
    {
    }

    internal CrashTestException(CrashTestFailure failure)
        : base(failure.ToString(), failure.Exception) => Failure = failure;

    /// <summary>The failure of a whole test; null where one promise was checked.</summary>
    public CrashTestFailure? Failure { get; }
}
