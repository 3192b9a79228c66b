using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using PCache.Core;

namespace PCache.DependencyInjection.Tests;

/// <summary>Caches in a host.</summary>
public sealed class HostTests : IDisposable
{
    private readonly Places _places = new();

    public void Dispose() => _places.Dispose();

    [Fact]
    public async Task Caches_are_open_before_any_service_starts_and_closed_after_all_have_stopped()
    {
        PCacheDevice device;
        using (IHost host = Build(services => services.AddHostedService<Worker>().AddPCache(_places.Apply)))
        {
            await host.StartAsync();
            device = host.Services.GetRequiredService<PCacheDevice>();
            await host.StopAsync();
        }

        Assert.Throws<ObjectDisposedException>(() => device.Length);
        _places.AssertClosed();
        using IHost next = Build(services => services.AddPCache(_places.Apply));
        Assert.Equal([1, 2], Places.Read(next.Services.GetRequiredService<PCacheDevice>(), 0, 2));
    }

    [Fact]
    public async Task A_cache_that_no_service_asks_for_is_opened_and_closed_all_the_same()
    {
        bool opened = false;
        using (IHost host = Build(services => services.AddPCache("quiet", settings =>
        {
            _places.Apply(settings);
            settings.ConfigureOptions = (_, options) =>
                options with { OpenProgress = new Immediately(_ => opened = true) };
        })))
        {
            await host.StartAsync();
            Assert.True(opened);
            Assert.Throws<IOException>(_places.AssertClosed);
        }

        _places.AssertClosed();
    }

    [Fact]
    public async Task With_OpenOnStart_off_it_waits_until_it_is_asked_for()
    {
        using IHost host = Build(services => services.AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.OpenOnStart = false;
        }));
        await host.StartAsync();
        Assert.False(File.Exists(_places.CachePath));
        host.Services.GetRequiredService<PCacheDevice>();
        Assert.True(File.Exists(_places.CachePath));
    }

    [Fact]
    public async Task Wrong_settings_fail_the_start_before_anything_is_opened()
    {
        using IHost host = Build(services => services.AddPCache(_places.Apply).AddPCache("second", settings =>
        {
            _places.ApplyOther(settings);
            settings.OpenOnStart = false;
            settings.GcThresholdPercent = 95;
        }));
        OptionsValidationException error =
            await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());
        Assert.Equal("Settings of cache 'second': GcThresholdPercent must be 0 to 90, or not set, not 95.",
            Assert.Single(error.Failures));
        Assert.False(File.Exists(_places.CachePath));
    }

    [Fact]
    public async Task A_cache_that_cant_be_opened_fails_the_start_with_the_librarys_exception_and_closes_the_others()
    {
        File.WriteAllText(_places["other.img"], new string('x', 8192));
        using (IHost host = Build(services =>
            services.AddPCache(_places.Apply).AddPCache("second", _places.ApplyOther)))
        {
            await Assert.ThrowsAsync<PCacheCorruptionException>(() => host.StartAsync());
            Assert.Throws<IOException>(_places.AssertClosed);
        }

        _places.AssertClosed();
    }

    [Fact]
    public async Task Cancelling_the_start_cancels_the_open_and_leaves_nothing_open()
    {
        Build(services => services.AddPCache(_places.Apply)).Dispose();
        using var stop = new CancellationTokenSource();
        using IHost host = Build(services => services.AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.ConfigureOptions = (_, options) =>
                options with { OpenProgress = new Immediately(_ => stop.Cancel()) };
        }));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => host.StartAsync(stop.Token));
        _places.AssertClosed();
    }

    [Fact]
    public async Task DrainOnDispose_writes_everything_back_when_the_host_ends()
    {
        using (IHost host = Build(services => services.AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.DrainOnDispose = true;
            settings.WritebackDelay = TimeSpan.FromDays(1);
        })))
        {
            await host.StartAsync();
            host.Services.GetRequiredService<PCacheDevice>().Write(100, [5]);
            await host.StopAsync();
        }

        Assert.Equal(5, File.ReadAllBytes(_places.BackingPath)[100]);
    }

    [Fact]
    public async Task A_close_that_fails_is_told_to_the_caller_that_disposes_the_host()
    {
        IHost host = Build(services => services.AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.BackingPath = null;
            settings.BackingFactory = _ => BlockDevice.FromStream(new EndsBadly());
        }));
        await host.StartAsync();
        Assert.Equal("planned", Assert.Throws<IOException>(host.Dispose).Message);
        _places.AssertClosed();
    }

    private static IHost Build(Action<IServiceCollection> configure)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        configure(builder.Services);
        return builder.Build();
    }

    private sealed class Worker(IServiceProvider services) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            Assert.Equal([(1, true)], services.GetServices<PCacheDevice>()
                .Select(device => (device.BlockSize, device.CanWrite)));
            return services.GetRequiredService<IBlockDevice>()
                .WriteAsync(0, new byte[] { 1 }, cancellationToken: cancellationToken).AsTask();
        }

        public Task StopAsync(CancellationToken cancellationToken) =>
            services.GetRequiredService<IBlockDevice>()
                .WriteAsync(1, new byte[] { 2 }, cancellationToken: cancellationToken).AsTask();
    }

    private sealed class Immediately(Action<OpenProgress> report) : IProgress<OpenProgress>
    {
        public void Report(OpenProgress value) => report(value);
    }

    private sealed class EndsBadly() : MemoryStream(new byte[1 << 20])
    {
        protected override void Dispose(bool disposing)
        {
            base.Dispose(disposing);
            throw new IOException("planned");
        }
    }
}
