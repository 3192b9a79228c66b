// Keeps true: what a consumer restores of ours comes from the packages just made, into a folder that goes away with
// them; everything else comes from the machine's package folder if it is there, and only else from the machine's
// configured sources.

using System.Text.Json;

namespace PCache.Packages.Tests.Support;

/// <summary>A console project outside the tree that uses a package as anybody does.</summary>
internal sealed class Consumer
{
    private readonly string _name;

    public Consumer(PackedPackages packages, string name, string package, string program, params string[] others)
    {
        _name = name;
        Folder = packages.NewFolder(name);
        File.WriteAllText(Path.Combine(Folder, "Program.cs"), program);
        File.WriteAllText(Path.Combine(Folder, $"{name}.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <InvariantGlobalization>true</InvariantGlobalization>
                <EnableAotAnalyzer>true</EnableAotAnalyzer>
                <EnableTrimAnalyzer>true</EnableTrimAnalyzer>
                <EnableSingleFileAnalyzer>true</EnableSingleFileAnalyzer>
                <TrimmerSingleWarn>false</TrimmerSingleWarn>
                <NuGetAudit>false</NuGetAudit>
                <RestorePackagesPath>{Path.Combine(packages.NewFolder("installed"), name)}</RestorePackagesPath>
                <RestoreFallbackFolders>{MachineFolder(Folder)}</RestoreFallbackFolders>
                <RestoreSources Condition="'$(AskConfiguredSources)' != 'true'">{packages.Feed}</RestoreSources>
                <RestoreAdditionalProjectSources>{packages.Feed}</RestoreAdditionalProjectSources>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="{package}" Version="{ExpectedPackages.Version}" />
                {string.Concat(others.Select(Reference))}
              </ItemGroup>
            </Project>
            """);
    }

    public string Folder { get; }

    /// <summary>Restores.</summary>
    /// <returns>What was installed, as "name/version".</returns>
    public string[] Install()
    {
        Restore("the packages that ours depend on");
        using JsonDocument assets = JsonDocument.Parse(
            File.ReadAllText(Path.Combine(Folder, "obj", "project.assets.json")));
        return [.. assets.RootElement.GetProperty("libraries").EnumerateObject().Select(library => library.Name)];
    }

    /// <summary>Restores and builds; any warning is an error.</summary>
    public void Build()
    {
        Install();
        Command.Dotnet(Folder, "build", "-c", "Release", "--no-restore").MustSucceed();
    }

    /// <summary>Restores and publishes for this system, with the runtime, trimmed to what is used.</summary>
    public string PublishTrimmed(string runtime)
    {
        string[] settings = ["-r", runtime, "-p:SelfContained=true", "-p:PublishTrimmed=true", "-p:TrimMode=full"];
        Restore($"Microsoft.NETCore.App.Runtime.{runtime} and Microsoft.NET.ILLink.Tasks, which a trimmed publish "
            + "needs,", settings);
        string to = Path.Combine(Folder, "published");
        Command.Dotnet(Folder, "publish", ["-c", "Release", "--no-restore", "-o", to, .. settings]).MustSucceed();
        return to;
    }

    /// <summary>Runs what was built, or what was published to a folder.</summary>
    public CommandResult Run(string? published, params string[] arguments)
    {
        string file = Path.Combine(published
            ?? Path.Combine(Folder, "bin", "Release", "net10.0"), OperatingSystem.IsWindows() ? $"{_name}.exe" : _name);
        return Command.Run(Folder, file, arguments);
    }

    /// <summary>The package folder that the machine's own restores use.</summary>
    private static string Reference(string package) =>
        $"<PackageReference Include=\"{package}\" Version=\"{ExpectedPackages.VersionOf(package)}\" />";

    private static string MachineFolder(string folder) =>
        Command.DotnetNoBuild(folder, "nuget", "locals", "global-packages", "--list")
            .MustSucceed().Output.Split("global-packages:")[1].Trim();

    private void Restore(string what, params string[] settings)
    {
        if (Command.Dotnet(Folder, "restore", settings).ExitCode == 0)
        {
            return;
        }

        FillMachineFolder(settings);
        CommandResult restored = Command.Dotnet(Folder, "restore", [.. settings, "-p:AskConfiguredSources=true"]);
        Assert.True(restored.ExitCode == 0,
            $"Neither this machine's package folder nor its configured sources have {what} as it seems. "
            + "Run the tests once with access to a source, or leave this one out with a filter (docs/packages.md, "
                + $"section Tests).{Environment.NewLine}{restored}");
    }

    /// <summary>
    /// Restores a project that uses none of our packages in the machine's own way, so that what it takes is there the
    /// next time. If that fails, the restore after it tells.
    /// </summary>
    private void FillMachineFolder(string[] settings)
    {
        string folder = Directory.CreateDirectory(Path.Combine(Folder, "..", $"{_name}-platform")).FullName;
        File.WriteAllText(Path.Combine(folder, "platform.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
            </Project>
            """);
        Command.Dotnet(folder, "restore", settings);
    }
}
