using System.Diagnostics;

namespace PCache.Core.Tests.Support;

/// <summary>
/// A file system in memory with a bounded size. Keeps true: unmounted by Dispose; where mounting isn't allowed there is
/// none.
/// </summary>
internal sealed class TinyFileSystem : IDisposable
{
    private TinyFileSystem(string path) => Path = path;

    /// <summary>Where it is mounted.</summary>
    public string Path { get; }

    /// <summary>Mounts one; null: this machine doesn't let us.</summary>
    public static TinyFileSystem? TryMount(string path, long lengthBytes)
    {
        Directory.CreateDirectory(path);
        return Run("mount", "-t", "tmpfs", "-o", $"size={lengthBytes}", "tmpfs", path) ? new TinyFileSystem(path)
            : null;
    }

    public void Dispose() => Run("umount", "-l", Path);

    private static bool Run(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(
                new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
