using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using PCache.Core;

namespace PCache.DependencyInjection;

/// <summary>Adds caches to a service collection.</summary>
/// <remarks>
/// <para>A cache without a name is the singleton <see cref="PCacheDevice"/>; with one, the keyed singleton with the
/// name as key. Each is also an <see cref="IBlockDevice"/>, whose Dispose does nothing.</para>
/// <para>A host opens its caches before it starts any service (see <see cref="PCacheSettings.OpenOnStart"/>), with
/// its own cancellation token; what is wrong fails the start. Otherwise a cache is opened when it is first asked for,
/// on the calling thread; an open that failed is tried again the next time. The container closes it, after all that
/// was given it.</para>
/// <para>Settings can be changed by all that configures options, under the cache's name:
/// <c>services.PostConfigure&lt;PCacheSettings&gt;(name, ...)</c>.</para>
/// </remarks>
public static class PCacheServiceCollectionExtensions
{
    /// <summary>Adds the cache without a name.</summary>
    /// <param name="services">Where to add it.</param>
    /// <param name="configure">Sets the settings. Called when they are first needed.</param>
    /// <returns><paramref name="services"/>.</returns>
    /// <exception cref="ArgumentNullException">A parameter is null.</exception>
    /// <exception cref="InvalidOperationException">There is one already.</exception>
    public static IServiceCollection AddPCache(this IServiceCollection services, Action<PCacheSettings> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        return Add(services, Options.DefaultName, section: null, configure);
    }

    /// <summary>Adds a cache with a name.</summary>
    /// <param name="services">Where to add it.</param>
    /// <param name="name">Its name, and key as a service. Names differ by case.</param>
    /// <param name="configure">Sets the settings. Called when they are first needed.</param>
    /// <returns><paramref name="services"/>.</returns>
    /// <exception cref="ArgumentNullException">A parameter is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="InvalidOperationException">There is one of that name already.</exception>
    public static IServiceCollection AddPCache(
        this IServiceCollection services, string name, Action<PCacheSettings> configure)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(configure);
        return Add(services, name, section: null, configure);
    }

    /// <summary>Adds the cache without a name, with settings from configuration.</summary>
    /// <param name="services">Where to add it.</param>
    /// <param name="section">The section whose keys are the settings' names. A key that is no setting is an error,
    /// told when the settings are checked.</param>
    /// <param name="configure">Sets what the configuration can't say, after it; null: nothing.</param>
    /// <returns><paramref name="services"/>.</returns>
    /// <exception cref="ArgumentNullException">A needed parameter is null.</exception>
    /// <exception cref="InvalidOperationException">There is one already.</exception>
    public static IServiceCollection AddPCache(
        this IServiceCollection services, IConfiguration section, Action<PCacheSettings>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(section);
        return Add(services, Options.DefaultName, section, configure);
    }

    /// <summary>Adds a cache with a name, with settings from configuration.</summary>
    /// <param name="services">Where to add it.</param>
    /// <param name="name">Its name, and key as a service. Names differ by case.</param>
    /// <param name="section">The section whose keys are the settings' names. A key that is no setting is an error,
    /// told when the settings are checked.</param>
    /// <param name="configure">Sets what the configuration can't say, after it; null: nothing.</param>
    /// <returns><paramref name="services"/>.</returns>
    /// <exception cref="ArgumentNullException">A needed parameter is null.</exception>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    /// <exception cref="InvalidOperationException">There is one of that name already.</exception>
    public static IServiceCollection AddPCache(
        this IServiceCollection services, string name, IConfiguration section, Action<PCacheSettings>? configure = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ArgumentNullException.ThrowIfNull(section);
        return Add(services, name, section, configure);
    }

    private static IServiceCollection Add(
        IServiceCollection services, string name, IConfiguration? section, Action<PCacheSettings>? configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (services.Any(service => !service.IsKeyedService
            && service.ImplementationInstance is DeviceRegistration registration && registration.Name == name))
        {
            throw new InvalidOperationException(name.Length == 0
                ? "There is a cache without a name already; give one of them a name."
                : $"There is a cache '{name}' already.");
        }

        OptionsBuilder<PCacheSettings> options = services.AddOptions<PCacheSettings>(name);
        if (section is not null)
        {
            options.Configure(settings => SettingsBinding.Bind(section, settings));
        }

        if (configure is not null)
        {
            options.Configure(configure);
        }

        options.ValidateOnStart();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<PCacheSettings>, SettingsValidation>());
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IHostedService, PCacheStarter>());
        services.TryAddSingleton<DeviceRegistry>();
        services.AddSingleton(new DeviceRegistration(name));
        if (name.Length == 0)
        {
            services.AddSingleton(
                static provider => provider.GetRequiredService<DeviceRegistry>()[Options.DefaultName].Open());
            services.AddSingleton<IBlockDevice>(
                static provider => new SharedBlockDevice(provider.GetRequiredService<PCacheDevice>()));
        }
        else
        {
            services.AddKeyedSingleton(
                name, static (provider, key) => provider.GetRequiredService<DeviceRegistry>()[(string)key!].Open());
            services.AddKeyedSingleton<IBlockDevice>(name,
                static (provider, key) => new SharedBlockDevice(provider.GetRequiredKeyedService<PCacheDevice>(key)));
        }

        return services;
    }
}
