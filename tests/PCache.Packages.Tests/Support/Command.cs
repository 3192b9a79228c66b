// Keeps true: a command runs with nothing inherited from the build or test run that it is started from, leaves no
// process behind, and ends.

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace PCache.Packages.Tests.Support;

/// <summary>What a command printed, and how it ended.</summary>
/// <param name="Line">The command.</param>
/// <param name="ExitCode">0 if all is well.</param>
/// <param name="Output">Its standard output.</param>
/// <param name="Error">Its standard error.</param>
internal sealed record CommandResult(string Line, int ExitCode, string Output, string Error)
{
    public string All => Output + Error;

    /// <summary>Fails the test, with all that was printed, if the command failed.</summary>
    public CommandResult MustSucceed()
    {
        Assert.True(ExitCode == 0, $"{this}");
        return this;
    }

    public override string ToString() => $"{Line}{Environment.NewLine}exit code {ExitCode}{Environment.NewLine}{All}";
}

/// <summary>Runs dotnet, git and what was built.</summary>
internal static class Command
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(10);

    /// <summary>
    /// Where the .NET that runs this test is, which is the one to build with: it is found without a path.
    /// </summary>
    private static string DotnetRoot { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));

    private static string DotnetFile => Path.Combine(DotnetRoot, OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");

    /// <summary>
    /// Runs dotnet with one build node that isn't kept, and no compiler server: a process left behind would hold the
    /// output open.
    /// </summary>
    public static CommandResult Dotnet(string folder, string verb, params string[] arguments) =>
        Run(folder, DotnetFile, [verb, .. arguments, "-nodeReuse:false", "-p:UseSharedCompilation=false"]);

    /// <summary>Runs those commands of dotnet that build nothing.</summary>
    public static CommandResult DotnetNoBuild(string folder, params string[] arguments) =>
        Run(folder, DotnetFile, arguments);

    /// <summary>Runs git with fixed dates and names, so that the same files make the same commit.</summary>
    public static CommandResult Git(string folder, params string[] arguments) => Run(folder, "git", arguments);

    public static CommandResult Run(string folder, string file, params string[] arguments)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false
        };
        SetEnvironment(start.Environment);
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{file} didn't start");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        string line = $"{Path.GetFileName(file)} {string.Join(' ', arguments)}";
        if (!Task.WaitAll([output, error], Limit) || !process.WaitForExit(Limit))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{line}: not done after {Limit}");
        }

        return new CommandResult(line, process.ExitCode, output.Result, error.Result);
    }

    private static void SetEnvironment(IDictionary<string, string?> environment)
    {
        string[] inherited = ["MSBUILD", "VSTEST", "COREHOST_", "DOTNET_HOST_PATH", "DOTNET_CLI_",
            "DOTNET_STARTUP_HOOKS", "GIT_", "CORECLR_", "CI"];
        foreach (string name in environment.Keys.ToArray())
        {
            if (inherited.Any(prefix => prefix == "CI" ? name == "CI"
                : name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)))
            {
                environment.Remove(name);
            }
        }

        environment["DOTNET_ROOT"] = DotnetRoot;
        environment["DOTNET_NOLOGO"] = "1";
        environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        environment["DOTNET_CLI_UI_LANGUAGE"] = "en";
        environment["DOTNET_CLI_USE_MSBUILD_SERVER"] = "0";
        environment["DOTNET_CLI_WORKLOAD_UPDATE_NOTIFY_DISABLE"] = "true";
        environment["DOTNET_ADD_GLOBAL_TOOLS_TO_PATH"] = "0";
        environment["GIT_CONFIG_GLOBAL"] = OperatingSystem.IsWindows() ? "NUL" : "/dev/null";
        environment["GIT_CONFIG_NOSYSTEM"] = "1";
        foreach (string who in (string[])["AUTHOR", "COMMITTER"])
        {
            environment[$"GIT_{who}_NAME"] = "Nobody";
            environment[$"GIT_{who}_EMAIL"] = "nobody@example.org";
            environment[$"GIT_{who}_DATE"] = "2026-01-01T00:00:00Z";
        }
    }
}
