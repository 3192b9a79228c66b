namespace PCache.Core;

/// <summary>What a finding about a cache image means.</summary>
public enum FindingSeverity
{
    /// <summary>
    /// Worth telling, not damage: one bad replica of two, a torn or left-over end of the log, dead keys behind the
    /// dirty tail.
    /// </summary>
    Note = 0,

    /// <summary>Acknowledged writes that the program that wrote the image has already lost.</summary>
    Lost = 1,

    /// <summary>The image holds something that a sound cache never holds.</summary>
    Damage = 2,
}

/// <summary>One thing found while a cache image was read. Immutable.</summary>
/// <param name="Severity">What it means.</param>
/// <param name="Structure">The structure concerned, in the terms of the format page ("superblock", "kset",
/// ...).</param>
/// <param name="Offset">Byte offset of the structure on the cache device; -1 if it has no place there.</param>
/// <param name="Text">What was found and what to do, in one or two sentences.</param>
public sealed record Finding(FindingSeverity Severity, string Structure, long Offset, string Text)
{
    /// <summary>
    /// The kind of finding: a word for scripts that stays the same from version to version (see the table in
    /// docs/command.md).
    /// </summary>
    public string Code { get; init; } = FindingCodes.Other;

    /// <summary>What it is to Linux, where that is something else than to us.</summary>
    internal LinuxCase Linux { get; init; }

    /// <summary>What to do about findings of this kind, in one or two sentences.</summary>
    public string Advice => FindingCodes.AdviceFor(Code);
}

/// <summary>What a finding is to Linux.</summary>
internal enum LinuxCase
{
    /// <summary>Damage: refused. Anything else: taken.</summary>
    AsForUs = 0,

    /// <summary>Taken for a device that was never formatted.</summary>
    FormatsOver,

    /// <summary>A segment's info without link: refused, although it is no damage here.</summary>
    Unlinked,

    /// <summary>A generation of which no replica is valid: taken.</summary>
    Generation,

    /// <summary>A dirty tail that the log doesn't meet: taken, and never drained.</summary>
    NeverDrains,

    /// <summary>A destroyed kset: taken for the log's end.</summary>
    EndsEarly,
}
