// Keeps true: the child runs this very build of the tool, whether it was started by `dotnet run`, as an installed tool, or from a test host.
using System.Diagnostics;

namespace PCache.Tool.Demo;

/// <summary>Starts the tool again as a child process.</summary>
internal static class SelfProcess
{
    private const string Name = "pcache";

    /// <summary>What starts the tool with some arguments; standard streams are redirected.</summary>
    public static ProcessStartInfo CreateStartInfo(IEnumerable<string> arguments)
    {
        string? current = Environment.ProcessPath;
        string assembly = Path.Combine(AppContext.BaseDirectory, Name + ".dll");
        bool isTool = current is not null && Path.GetFileNameWithoutExtension(current).Equals(Name, StringComparison.OrdinalIgnoreCase);
        ProcessStartInfo info;
        if (isTool || !File.Exists(assembly))
        {
            info = new ProcessStartInfo(current ?? Name);
        }
        else
        {
            bool isHost = current is not null && Path.GetFileNameWithoutExtension(current).Equals("dotnet", StringComparison.OrdinalIgnoreCase);
            info = new ProcessStartInfo(isHost ? current! : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet");
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
}
