// Keeps true: the examples of the package's page and of the main page's section are compiled and run here, word for
// word (ReadmeExamplesTests compares them with the pages).

using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using PCache.Core;

namespace PCache.DependencyInjection.Tests;

/// <summary>The examples.</summary>
public sealed class ExampleTests : IDisposable
{
    private readonly Places _places = new();

    public void Dispose() => _places.Dispose();

    [Fact]
    public async Task In_an_application()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(_places.AsText("Caches:Mail"));
        var data = new byte[4096];

        // example: dependency-injection
        builder.Services.AddPCache("mail", builder.Configuration.GetSection("Caches:Mail"));

        using IHost host = builder.Build();
        await host.StartAsync(); // settings checked, cache open; what is wrong ends here

        // or [FromKeyedServices("mail")] PCacheDevice mail
        var mail = host.Services.GetRequiredKeyedService<PCacheDevice>("mail");
        mail.Write(0, data, WriteDurability.ForceUnitAccess);
        // end of example

        Assert.Equal(4096, mail.GetStatus().WrittenBytes);
    }

    [Fact]
    public void In_code()
    {
        var services = new ServiceCollection();
        string cachePath = _places.CachePath;
        string backingPath = _places.BackingPath;

        // example: di-code
        services.AddPCache(settings =>
        {
            settings.CachePath = cachePath;
            settings.CacheLengthBytes = 128L << 20;
            settings.BackingPath = backingPath;
        });
        services.AddPCache("archive", settings =>
        {
            settings.CachePath = cachePath + ".archive";
            settings.CacheLengthBytes = 128L << 20;
            settings.BackingFactory = provider => BlockDevice.FromStream(new MemoryStream(new byte[1 << 20]));
            settings.ConfigureOptions = (provider, options) =>
                options with { OpenProgress = new Progress<OpenProgress>() };
        });
        // end of example

        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Equal(1 << 20, provider.GetRequiredService<PCacheDevice>().Length);
        Assert.Equal(1 << 20, provider.GetRequiredKeyedService<PCacheDevice>("archive").Length);
    }

    [Fact]
    public void As_a_health_check()
    {
        using ServiceProvider provider = new ServiceCollection().AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.StartWritebackPaused = true;
        }).BuildServiceProvider();
        PCacheDevice device = provider.GetRequiredService<PCacheDevice>();

        // example: di-health
        (string Health, string Description) Check()
        {
            PCacheState state = device.State;
            return (state switch
            {
                { Condition: PCacheCondition.Degraded } => "Unhealthy",
                { Stall: WritebackStall.None or WritebackStall.Paused } => "Healthy",
                _ => "Degraded", // the backing fails or hangs: nothing is lost, but the cache fills up
            }, state.ToString());
        }
        // end of example

        device.Write(0, [1]);
        (string health, string description) = Check();
        Assert.Equal("Healthy", health);
        Assert.StartsWith("write-back stalled (Paused) since ", description, StringComparison.Ordinal);
    }
}
