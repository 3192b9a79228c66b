using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using PCache.Core;

namespace PCache.DependencyInjection;

/// <summary>
/// Opens the caches of a host. Keeps true: all that are to be opened at the start are open before any service of the
/// host starts, one after the other in the order in which they were added; the first that can't be opened fails the
/// start with its own exception. Closing is the container's.
/// </summary>
internal sealed class PCacheStarter(IServiceProvider services, DeviceRegistry registry) : IHostedLifecycleService
{
    public async Task StartingAsync(CancellationToken cancellationToken)
    {
        foreach (string name in registry.Names)
        {
            if (!registry[name].OpenOnStart)
            {
                continue;
            }

            await registry[name].OpenAsync(cancellationToken).ConfigureAwait(false);

            // From here on the container knows it, and closes it after whatever is made later.
            _ = name.Length == 0
                ? services.GetRequiredService<PCacheDevice>()
                : services.GetRequiredKeyedService<PCacheDevice>(name);
        }
    }

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
