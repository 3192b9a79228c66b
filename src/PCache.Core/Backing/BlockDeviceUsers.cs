// Who uses a Linux block device, for messages. Keeps true: it only reads what the kernel tells in /proc and /sys, and
// anything unexpected is "not known".

using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Backing;

internal static class BlockDeviceUsers
{
    /// <summary>"it is mounted on /mnt", "it is swap space" or "it is part of dm-0"; null: not known.</summary>
    public static string? Describe(SafeFileHandle device)
    {
        try
        {
            string path = Real(new FileInfo($"/proc/self/fd/{device.DangerousGetHandle()}"));
            foreach (string line in File.ReadLines("/proc/self/mounts"))
            {
                string[] fields = line.Split(' ');
                if (fields.Length > 1 && fields[0].StartsWith('/') && Real(new FileInfo(fields[0])) == path)
                {
                    return $"it is mounted on \"{SafeText.Of(fields[1])}\"";
                }
            }

            foreach (string line in File.ReadLines("/proc/swaps"))
            {
                if (line.Split(' ')[0] == path)
                {
                    return "it is swap space";
                }
            }

            var holders = new DirectoryInfo($"/sys/class/block/{Path.GetFileName(path)}/holders");
            return holders.Exists && holders.EnumerateFileSystemInfos()
                .FirstOrDefault() is { } holder ? $"it is part of {SafeText.Of(holder.Name)}" : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    private static string Real(FileInfo file) =>
        file.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? file.FullName;
}
