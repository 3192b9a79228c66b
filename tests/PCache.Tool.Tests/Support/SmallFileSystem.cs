using System.Diagnostics;

namespace PCache.Tool.Tests.Support;

/// <summary>A file system in memory with little room, where this process may mount one.</summary>
internal sealed class SmallFileSystem : IDisposable
{
    private readonly string _path;

    public SmallFileSystem(string path, long lengthBytes)
    {
        _path = path;
        Directory.CreateDirectory(path);
        IsThere = Ask("mount", "-t", "tmpfs", "-o", $"size={lengthBytes}", "tmpfs", path) is not null;
    }

    public bool IsThere { get; }

    /// <summary>Runs a program; its output without line end, or null where it can't be run or fails.</summary>
    public static string? Ask(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    RedirectStandardOutput = true,
                    RedirectStandardError = true
                })!;
            string text = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0 ? text.TrimEnd() : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    public void Dispose()
    {
        if (IsThere)
        {
            Ask("umount", _path);
        }
    }
}
