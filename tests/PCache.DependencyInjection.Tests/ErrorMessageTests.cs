using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using PCache.Core;

namespace PCache.DependencyInjection.Tests;

/// <summary>
/// What a user sees when a cache can't be opened: a line that names the cache, the setting and the file, whatever stack
/// comes with it; and of a failed open nothing is left.
/// </summary>
public sealed class ErrorMessageTests : IDisposable
{
    private readonly Places _places = new();

    public void Dispose() => _places.Dispose();

    [Fact]
    public void A_missing_section_is_named_and_nothing_else_is_said()
    {
        IConfiguration configuration =
            new ConfigurationBuilder().AddInMemoryCollection(_places.AsText("Caches:Mail")).Build();
        OptionsValidationException error = Failure("mail", configuration.GetSection("Caches:Male"));
        Assert.StartsWith("Settings of cache 'mail': the configuration has no section 'Caches:Male'",
            Assert.Single(error.Failures), StringComparison.Ordinal);
        error = Failure("mail", new ConfigurationBuilder().Build().GetSection("Caches:Mail"));
        Assert.Contains("'Caches:Mail'", Assert.Single(error.Failures), StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_where_a_section_is_wanted_is_named()
    {
        IConfiguration configuration =
            new ConfigurationBuilder().AddInMemoryCollection(_places.AsText("Caches:Mail")).Build();
        OptionsValidationException error = Failure("mail", configuration.GetSection("Caches:Mail:CachePath"));
        Assert.Contains("'Caches:Mail:CachePath' must be a section", Assert.Single(error.Failures),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_section_is_told_also_where_code_sets_the_places()
    {
        var services = new ServiceCollection();
        services.AddPCache("mail", new ConfigurationBuilder().Build().GetSection("Caches:Mail"), _places.Apply);
        using ServiceProvider provider = services.BuildServiceProvider();
        OptionsValidationException error =
            Assert.Throws<OptionsValidationException>(() => provider.GetRequiredKeyedService<PCacheDevice>("mail"));
        Assert.Contains("no section 'Caches:Mail'", Assert.Single(error.Failures), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_line_in_the_log_names_cache_setting_and_file_before_the_exception_comes(
        bool wantedByAConstructor)
    {
        using var messages = new Messages();
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Services.AddSingleton<ILoggerFactory>(messages);
        builder.Services.AddPCache("mail", settings =>
        {
            _places.Apply(settings);
            settings.BackingPath = _places["missing.img"];
        });
        if (wantedByAConstructor)
        {
            builder.Services.AddHostedService<Worker>();
        }

        using IHost host = builder.Build();
        FileNotFoundException error = await Assert.ThrowsAsync<FileNotFoundException>(() => host.StartAsync());
        string line = Assert.Single(messages.Texts, text =>
            text.StartsWith("Cache 'mail' can't be opened", StringComparison.Ordinal));
        Assert.Contains($"there is no backing '{_places["missing.img"]}' (setting BackingPath)", line,
            StringComparison.Ordinal);
        Assert.DoesNotContain('\n', line);
        Assert.Contains(error.Message, line, StringComparison.Ordinal);
        Assert.False(File.Exists(_places.CachePath));
    }

    [Fact]
    public void An_open_that_fails_after_the_file_was_made_leaves_none()
    {
        var services = new ServiceCollection();
        services.AddPCache(settings =>
        {
            _places.Apply(settings);
            settings.ConfigureOptions = (_, options) =>
                options with { LeaveBackingOpen = false, MaxIndexMemoryBytes = 1 };
        });
        using ServiceProvider provider = services.BuildServiceProvider();
        Assert.ThrowsAny<ArgumentException>(() => provider.GetRequiredService<PCacheDevice>());
        Assert.False(File.Exists(_places.CachePath));
        _places.AssertClosed();
    }

    [Fact]
    public void A_new_cache_file_has_the_backings_rights()
    {
        if (!OperatingSystem.IsLinux())
        {
            return;
        }

        UnixFileMode mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead;
        File.SetUnixFileMode(_places.BackingPath, mode);
        using ServiceProvider provider = new ServiceCollection().AddPCache(_places.Apply).BuildServiceProvider();
        provider.GetRequiredService<PCacheDevice>();
        Assert.Equal(mode, File.GetUnixFileMode(_places.CachePath));
    }

    private static OptionsValidationException Failure(string name, IConfigurationSection section)
    {
        var services = new ServiceCollection();
        services.AddPCache(name, section);
        using ServiceProvider provider = services.BuildServiceProvider();
        return Assert.Throws<OptionsValidationException>(() => provider.GetRequiredKeyedService<PCacheDevice>(name));
    }

    private sealed class Worker([FromKeyedServices("mail")] PCacheDevice device) : BackgroundService
    {
        protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.FromResult(device.Length);
    }
}
