namespace PCache.Core;

/// <summary>
/// The kinds of findings, and what to do about each. Keeps true: a code never changes its meaning; each finding that
/// an inspection makes has one of these.
/// </summary>
internal static class FindingCodes
{
    public const string Other = "other";

    private const string Copy = "Copy the image before anything else. ";
    private const string GetOut = Copy + "Then get the data out: 'pcache read' shows the device, 'pcache export' the "
        + "dirty ranges, 'pcache writeback --rescue' puts them on the backing.";
    private const string NothingToDo = "Nothing to do.";
    private const string DrainFirst = "If Linux is to use the image: 'pcache writeback' takes them out of the log. An "
        + "open and immediate close need not.";
    private const string NotToLinux = "Don't give the image to Linux. ";

    /// <summary>Code to advice.</summary>
    public static IReadOnlyDictionary<string, string> Advice { get; } = new Dictionary<string, string>(
        StringComparer.Ordinal)
    {
        ["not-a-cache"] = "Check the path. Format the device only if nothing on it is needed.",
        ["superblock"] = GetOut + " If the segment size is guessed wrong, give it by --segment-size. Then format anew.",
        ["cut"] = "Use the whole device if there is one. " + GetOut,
        ["cache-info"] = GetOut + " Then format anew.",
        ["setting"] = "A setting has a value that no sound cache has. Use the software that made the cache, or rescue "
            + "the data and format anew.",
        ["segment-info"] = GetOut + " Then format anew.",
        ["chain"] = GetOut + " Then format anew.",
        ["generation"] = GetOut + " Then format anew.",
        ["key-tail"] = GetOut + " Then format anew.",
        ["dirty-tail"] = GetOut + " Then format anew.",
        ["extension"] = "The binding to the backing is damaged. Make sure that you have the right backing, then bind "
            + "it anew with 'pcache bind'.",
        ["binding"]
        = "Attach the backing that the cache belongs to; if this is the one, bind it anew with 'pcache bind --force'.",
        ["replica"]
        = NothingToDo + " The next write replaces the bad replica. If it happens again, the medium is failing.",
        ["kset"] = GetOut,
        ["kset-unreadable"] = GetOut + " Then replace the medium.",
        ["kset-link"] = GetOut,
        ["log-end"] = GetOut,
        ["log-hole"]
        = GetOut + " What is possibly stale is left out unless --include-stale is given: compare it with a backup.",
        ["log-order"]
        = GetOut + " Everything is possibly stale: compare it with the backing before anything is written there.",
        ["log-torn"] = NothingToDo + " A crash leaves this; nothing acknowledged is missing.",
        ["log-unfinished"] = NothingToDo + " A crash leaves this; nothing acknowledged is missing.",
        ["log-leftover"] = NothingToDo + " A writable open removes it.",
        ["key"] = GetOut,
        ["key-beyond"] = "The backing is the wrong one or has been cut: attach the right one.",
        ["key-lost"] = "Nothing can bring these writes back. Save the rest, or go on without them by 'pcache writeback "
            + "--accept-lost'.",
        ["key-dead"] = NothingToDo + " Their data is on the backing.",
        ["payload-in-log"] = GetOut,
        ["payload-crc"] = "Overwrite the range, or take it from a backup; everything else can be used. Dirty data "
            + "elsewhere can still be written back.",
        ["payload-overlap"] = "The image isn't a cache that any software wrote. Restore it from a copy.",
        ["linux-geometry"] = "Make a cache with the Linux geometry (no --segment-size) if Linux is to use it.",
        ["linux-size"] = "Copy the image to a larger device if Linux is to use it.",
        ["linux-dead-keys"] = DrainFirst,
        ["linux-length"] = DrainFirst,
        ["linux-log-end"] = "If Linux is to use the image: open it here for writing first ('pcache writeback' does), "
            + "which clears what stands behind the log's end.",
        ["linux-segment-info"] = "If Linux is to use the image: open it here for writing first ('pcache writeback' "
            + "does), which writes the destroyed replica anew.",
        ["linux-format"] = NotToLinux + GetOut,
        ["linux-dirty-tail"] = NotToLinux + GetOut,
        ["linux-log-hole"] = NotToLinux + GetOut,
        ["linux-generation"] = NotToLinux + GetOut,
        ["more"] = "The list is cut; the first findings matter most.",
        [Other] = "Keep the image.",
    };

    public static string AdviceFor(string code) => Advice.GetValueOrDefault(code, string.Empty);
}
