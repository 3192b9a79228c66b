// Keeps true: the child runs this very build of the program, whether that was started by `dotnet run`, as an installed
// tool, or from a test host.
using System.Diagnostics;

namespace PCache.Tool.Kills;

/// <summary>Starts the program that this code is compiled into again, as a child process.</summary>
internal static class SelfProcess
{
    private static readonly string Name = typeof(SelfProcess).Assembly.GetName().Name!;

    /// <summary>What starts the program with some arguments; standard streams are redirected.</summary>
    public static ProcessStartInfo CreateStartInfo(IEnumerable<string> arguments)
    {
        string? current = Environment.ProcessPath;
        string assembly = Path.Combine(AppContext.BaseDirectory, Name + ".dll");
        bool isSelf = current is not null && IsNamed(current, Name);
        ProcessStartInfo info;
        if (isSelf || !File.Exists(assembly))
        {
            info = new ProcessStartInfo(current ?? Name);
        }
        else
        {
            bool isHost = current is not null && IsNamed(current, "dotnet");
            info = new ProcessStartInfo(isHost ? current!
                : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet");
            info.ArgumentList.Add("exec");
            info.ArgumentList.Add(assembly);
        }

        foreach (string argument in arguments)
        {
            info.ArgumentList.Add(argument);
        }

        info.RedirectStandardInput = true;
        info.RedirectStandardOutput = true;
        info.RedirectStandardError = true;
        info.UseShellExecute = false;
        info.CreateNoWindow = true;
        return info;
    }

    /// <summary>
    /// Whether a path is that of a program of this name, which may have dots in it; on Windows it ends with ".exe".
    /// </summary>
    private static bool IsNamed(string path, string name)
    {
        string file = Path.GetFileName(path);
        return file.Equals(name, StringComparison.OrdinalIgnoreCase)
            || file.Equals(name + ".exe", StringComparison.OrdinalIgnoreCase);
    }
}
