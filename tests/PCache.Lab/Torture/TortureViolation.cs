namespace PCache.Lab.Torture;

/// <summary>A promise was broken: what was promised, what was found, and where in the run.</summary>
internal sealed class TortureViolation : Exception
{
    public TortureViolation(string message)
        : base(message)
    {
    }

    public TortureViolation(string message, Exception inner)
        : base(message, inner)
    {
    }
}
