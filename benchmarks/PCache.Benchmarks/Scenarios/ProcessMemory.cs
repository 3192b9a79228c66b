// Keeps true: what the system doesn't tell is null, never a guess.
using System.Globalization;

namespace PCache.Benchmarks.Scenarios;

/// <summary>Memory and disk traffic of this process, from Linux's /proc.</summary>
internal static class ProcessMemory
{
    /// <summary>Objects alive on the managed heap.</summary>
    public static long ManagedBytes()
    {
        // Gives free space back to the system too: the process's memory is looked at next.
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        GC.WaitForPendingFinalizers();
        GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
        return GC.GetTotalMemory(forceFullCollection: false);
    }

    /// <summary>Memory of the machine that can be had.</summary>
    public static long? AvailableBytes() => Kilobytes("/proc/meminfo", "MemAvailable:");

    /// <summary>
    /// Bytes written to the disk that holds a directory, by everybody; null where that isn't one disk.
    /// </summary>
    public static long? WrittenToDiskOf(string directory)
    {
        string? device = DeviceOf(Path.GetFullPath(directory));
        string path = $"/sys/dev/block/{device}/stat";
        if (device is null || !File.Exists(path))
        {
            return null;
        }

        string[] words = File.ReadAllText(path).Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return words.Length > 6 ? long.Parse(words[6], CultureInfo.InvariantCulture) * 512 : null;
    }

    /// <summary>"major:minor" of what is mounted where a path is.</summary>
    private static string? DeviceOf(string path)
    {
        if (!File.Exists("/proc/self/mountinfo"))
        {
            return null;
        }

        string? device = null;
        int longest = -1;
        foreach (string line in File.ReadLines("/proc/self/mountinfo"))
        {
            string[] words = line.Split(' ');
            string mount = words[4];
            bool isAbove = path == mount || path.StartsWith(mount.EndsWith('/') ? mount : mount
                + "/", StringComparison.Ordinal);
            if (isAbove && mount.Length >= longest)
            {
                longest = mount.Length;
                device = words[2];
            }
        }

        return device;
    }

    private static long? Kilobytes(string path, string name) => Value(path, name) * 1024;

    private static long? Value(string path, string name)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        string? line = File.ReadLines(path).FirstOrDefault(one => one.StartsWith(name, StringComparison.Ordinal));
        return line is null ? null : long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1],
            CultureInfo.InvariantCulture);
    }

    /// <summary>Memory of the process that no file is behind: managed heap, native memory, stacks.</summary>
    public static long? AnonymousBytes() => Kilobytes("/proc/self/status", "RssAnon:");
}
