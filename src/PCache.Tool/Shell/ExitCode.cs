namespace PCache.Tool.Shell;

/// <summary>Exit codes of the command. Scripts rely on them.</summary>
internal static class ExitCode
{
    /// <summary>Done, and all that was looked at is sound.</summary>
    public const int Done = 0;

    /// <summary>Damage, lost writes or violations were found, whatever could still be done.</summary>
    public const int Damage = 1;

    /// <summary>Wrong usage; nothing was done.</summary>
    public const int Usage = 2;

    /// <summary>
    /// Refused before anything was done: no such file, not a cache, locked, mismatch, consent missing, I/O error.
    /// </summary>
    public const int Refused = 3;

    /// <summary>Interrupted from the keyboard, as shells count it.</summary>
    public const int Interrupted = 130;
}
