// Keeps true: who asks for one of the other libraries gets PCache.Core with it, and a version of it that both can work
// with.

using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>The libraries, each installed alone.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed class InstallTests(PackedPackages packages)
{
    [Theory]
    [InlineData(ExpectedPackages.DependencyInjection)]
    [InlineData(ExpectedPackages.Sqlite)]
    [InlineData(ExpectedPackages.Testing)]
    public void A_library_installs_and_brings_the_core(string name)
    {
        string[] installed = new Consumer(packages, $"{name}.Alone", name, string.Empty).Install();
        Assert.Contains($"{name}/{ExpectedPackages.Version}", installed);
        Assert.Contains($"{ExpectedPackages.Core}/{ExpectedPackages.Version}", installed);
    }
}
