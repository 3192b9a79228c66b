// The memory that a process may still take, out of the texts of /proc and of the control groups' folders (versions 1
// and 2). Keeps true: nothing is read but by the function that is given, so all of it is a function of texts; a limit
// of any group that the process is in counts, from its own up to the top that can be seen; what can't be read or
// understood is no limit.
using System.Globalization;
using System.Text;

namespace PCache.Core.Pmem;

/// <summary>A limit of memory.</summary>
/// <param name="Source">The file that says so.</param>
/// <param name="LimitBytes">How much there may be in all.</param>
/// <param name="RoomBytes">How much may still be taken: what the system can drop of the page cache isn't counted as
/// taken, what can be swapped out counts as room.</param>
internal sealed record MemoryLimit(string Source, long LimitBytes, long RoomBytes);

/// <summary>A control group's folder, and the mount point that it is below.</summary>
/// <param name="IsVersion2">Which version's files are in it.</param>
/// <param name="MountPoint">The topmost folder.</param>
/// <param name="Folder">The process's own: the mount point or below.</param>
internal sealed record MemoryGroup(bool IsVersion2, string MountPoint, string Folder);

/// <summary>Reads limits.</summary>
internal static class MemoryLimits
{
    // Version 1 says "no limit" by a number near the largest.
    private const long NoLimit = 1L << 60;

    /// <summary>Of all limits the one that leaves the least room; null: there is none.</summary>
    /// <param name="read">A file's text; null: it can't be read.</param>
    /// <param name="canSwap">Whether what is taken can be swapped out.</param>
    /// <param name="withMachine">Whether the machine's own free memory counts as a limit.</param>
    public static MemoryLimit? Tightest(Func<string, string?> read, bool canSwap, bool withMachine)
    {
        Dictionary<string, long> machine = Numbers(read("/proc/meminfo"), 1024);
        long swapBytes = canSwap ? machine.GetValueOrDefault("SwapFree:") : 0;
        var limits = new List<MemoryLimit>();
        if (withMachine && machine.TryGetValue("MemAvailable:", out long available))
        {
            limits.Add(
                new MemoryLimit(
                    "/proc/meminfo", machine.GetValueOrDefault("MemTotal:", available), available + swapBytes));
        }

        foreach (MemoryGroup group in Groups(read("/proc/self/cgroup"), read("/proc/self/mountinfo")))
        {
            for (string? folder = group.Folder; folder is not null; folder = Parent(folder, group.MountPoint))
            {
                if (
                    (group.IsVersion2 ? Version2(folder, read, swapBytes) : Version1(folder, read, swapBytes))
                        is { } limit)
                {
                    limits.Add(limit);
                }
            }
        }

        return limits.MinBy(limit => limit.RoomBytes);
    }

    /// <summary>The groups that count the process's memory.</summary>
    /// <param name="cgroup">/proc/self/cgroup.</param>
    /// <param name="mountinfo">/proc/self/mountinfo.</param>
    internal static IEnumerable<MemoryGroup> Groups(string? cgroup, string? mountinfo)
    {
        string? path1 = null;
        string? path2 = null;
        foreach (string line in Lines(cgroup))
        {
            // "4:memory:/a/b" in version 1, "0::/a/b" in version 2; the path may have colons.
            string[] fields = line.Split(':', 3);
            if (fields.Length == 3)
            {
                path1 = fields[1].Split(',').Contains("memory") ? fields[2] : path1;
                path2 = fields[0] == "0" && fields[1].Length == 0 ? fields[2] : path2;
            }
        }

        foreach (string line in Lines(mountinfo))
        {
            // "36 25 0:32 ROOT MOUNTPOINT OPTIONS ... - TYPE SOURCE SUPEROPTIONS"
            string[] halves = line.Split(" - ", 2);
            string[] place = halves[0].Split(' ');
            string[] kind = halves.Length == 2 ? halves[1].Split(' ') : [];
            if (place.Length < 6 || kind.Length < 3)
            {
                continue;
            }

            string? path = kind[0] == "cgroup2" ? path2 : kind[0] == "cgroup" && kind[2].Split(',')
                .Contains("memory") ? path1 : null;
            if (path is not null)
            {
                string mountPoint = Unescape(place[4]);
                yield return new MemoryGroup(
                    kind[0] == "cgroup2", mountPoint, Inside(mountPoint, Unescape(place[3]), path));
            }
        }
    }

    private static MemoryLimit? Version2(string folder, Func<string, string?> read, long swapBytes)
    {
        if (Number(read($"{folder}/memory.max")) is not { } limit
            || Number(read($"{folder}/memory.current")) is not { } used)
        {
            return null; // "max", or the topmost group, which has none
        }

        Dictionary<string, long> stat = Numbers(read($"{folder}/memory.stat"), 1);
        long droppable = stat.GetValueOrDefault(
            "active_file") + stat.GetValueOrDefault("inactive_file") + stat.GetValueOrDefault("slab_reclaimable");
        if (Number(read($"{folder}/memory.swap.max")) is { } swapLimit)
        {
            swapBytes = Math.Min(
                swapBytes, Math.Max(0, swapLimit - (Number(read($"{folder}/memory.swap.current")) ?? 0)));
        }

        return new MemoryLimit($"{folder}/memory.max", limit, Room(limit, used, droppable) + swapBytes);
    }

    private static MemoryLimit? Version1(string folder, Func<string, string?> read, long swapBytes)
    {
        if (Number(read($"{folder}/memory.limit_in_bytes")) is not { } limit || limit >= NoLimit
            || Number(read($"{folder}/memory.usage_in_bytes")) is not { } used)
        {
            return null;
        }

        Dictionary<string, long> stat = Numbers(read($"{folder}/memory.stat"), 1);
        long droppable = stat.GetValueOrDefault("total_active_file") + stat.GetValueOrDefault("total_inactive_file");
        long room = Room(limit, used, droppable) + swapBytes;
        if (Number(read($"{folder}/memory.memsw.limit_in_bytes")) is { } both && both < NoLimit)
        {
            room = Math.Min(room, Room(both, Number(read($"{folder}/memory.memsw.usage_in_bytes")) ?? used, droppable));
        }

        return new MemoryLimit($"{folder}/memory.limit_in_bytes", limit, room);
    }

    private static long Room(long limit, long used, long droppable) =>
        Math.Max(0, limit - Math.Max(0, used - droppable));

    /// <summary>
    /// Where a group's path leads below a mount point; a path that isn't below what is mounted there (another
    /// namespace's) leads to the mount point itself.
    /// </summary>
    private static string Inside(string mountPoint, string root, string path)
    {
        string below = root == "/" ? path
            : path == root ? ""
            : path.StartsWith(root + "/", StringComparison.Ordinal) ? path[root.Length..]
            : "";
        return below.Split('/').Contains("..") ? mountPoint
            : (mountPoint + below).TrimEnd('/') is { Length: > 0 } folder ? folder
            : "/";
    }

    private static string? Parent(string folder, string mountPoint) =>
        folder.Length <= mountPoint.Length ? null : folder.LastIndexOf('/') is > 0 and int at ? folder[..at] : null;

    private static string[] Lines(string? text) => (text ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static long? Number(string? text) =>
        long.TryParse(text?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? value : null;

    /// <summary>Lines of a name and a number.</summary>
    private static Dictionary<string, long> Numbers(string? text, long unit)
    {
        var numbers = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (string line in Lines(text))
        {
            string[] fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (fields.Length >= 2 && Number(fields[1]) is { } value && value <= long.MaxValue / unit)
            {
                numbers[fields[0]] = value * unit;
            }
        }

        return numbers;
    }

    /// <summary>Mount tables write blanks and the like as a backslash and three octal digits.</summary>
    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            bool isEscape = text[i] == '\\' && i + 3 < text.Length
                && text.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '7') < 0;
            result.Append(isEscape
                ? (char)(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0'))
                : text[i]);
            i += isEscape ? 3 : 0;
        }

        return result.ToString();
    }
}
