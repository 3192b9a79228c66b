// Keeps true: the command installs from its package alone and works from any folder.

using System.Text.Json;
using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>The command as a dotnet tool.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed class ToolInstallTests(PackedPackages packages)
{
    [Fact]
    public void The_command_installs_from_its_package_and_works()
    {
        string folder = packages.NewFolder("tool");
        string tools = Path.Combine(folder, "bin");
        Command.DotnetNoBuild(folder, "tool", "install", ExpectedPackages.Tool, "--version", ExpectedPackages.Version,
            "--tool-path", tools, "--source", packages.Feed).MustSucceed();
        string pcache = Path.Combine(tools, OperatingSystem.IsWindows() ? "pcache.exe" : "pcache");

        CommandResult help = Command.Run(folder, pcache, "--help").MustSucceed();
        Assert.All((string[])["format", "status", "check", "writeback", "bench"], command =>
            Assert.Contains($"  {command} ", help.Output, StringComparison.Ordinal));

        Command.Run(folder, pcache, "format", "cache.img", "--size", "16M", "--segment-size", "1M").MustSucceed();
        CommandResult status = Command.Run(folder, pcache, "status", "cache.img", "--json").MustSucceed();
        using JsonDocument json = JsonDocument.Parse(status.Output);
        Assert.Equal(JsonValueKind.Object, json.RootElement.ValueKind);
        Assert.Equal(16 << 20, new FileInfo(Path.Combine(folder, "cache.img")).Length);

        Assert.Equal(3, Command.Run(folder, pcache, "status", "no-such.img").ExitCode);
    }
}
