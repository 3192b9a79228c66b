using System.Diagnostics;

namespace PCache.Core.Tests.Support;

/// <summary>
/// A Linux block device over a file. Keeps true: gone after Dispose; where the machine gives none there is none.
/// </summary>
internal sealed class LoopDevice : IDisposable
{
    private LoopDevice(string path) => Path = path;

    /// <summary>The device.</summary>
    public string Path { get; }

    /// <summary>Attaches one; null: this machine doesn't let us.</summary>
    public static LoopDevice? TryAttach(string file) =>
        OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess
            && Run("losetup", out string path, "-f", "--show", file) ? new LoopDevice(path) : null;

    /// <summary>Runs a program; false: it isn't there, or failed.</summary>
    public static bool Run(string program, out string output, params string[] arguments)
    {
        output = string.Empty;
        try
        {
            using Process process = Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true
                })!;
            output = process.StandardOutput.ReadToEnd().Trim();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    public void Dispose() => Run("losetup", out _, "-d", Path);
}

/// <summary>Runs where loop devices can be made (Linux, as root).</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class LoopDeviceFactAttribute : FactAttribute
{
    public LoopDeviceFactAttribute()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root" || Run("losetup", "--find") is null)
        {
            Skip = "Loop devices can't be made here (needs Linux and root).";
        }
    }

    internal static string? Run(string program, params string[] arguments)
    {
        try
        {
            using var process = Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true
                })!;
            string output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? output : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
