using Microsoft.Extensions.Options;
using PCache.Core.Primitives;

namespace PCache.DependencyInjection;

/// <summary>
/// All caches of a container. Keeps true: it is made before any device, so a container disposes it after all of them;
/// by then only those are left to close that a host had opened and no caller has asked for.
/// </summary>
internal sealed class DeviceRegistry(IServiceProvider services, IOptionsMonitor<PCacheSettings> settings,
    IEnumerable<DeviceRegistration> registrations) : IDisposable, IAsyncDisposable
{
    private readonly Dictionary<string, DeviceHolder> _holders = new(
        registrations.Select(
            registration =>
                KeyValuePair.Create(registration.Name, new DeviceHolder(registration.Name, services, settings))),
        StringComparer.Ordinal);

    /// <summary>The names of all, in the order in which they were added.</summary>
    public IReadOnlyList<string> Names { get; } = [.. registrations.Select(registration => registration.Name)];

    public DeviceHolder this[string name] => _holders[name];

    public void Dispose()
    {
        Task closing = CloseAllAsync();
        Uninterrupted.Wait(closing, Timeout.InfiniteTimeSpan); // the devices say how long
        closing.GetAwaiter().GetResult();
    }

    public ValueTask DisposeAsync() => new(CloseAllAsync());

    private async Task CloseAllAsync() =>
        await Task.WhenAll(_holders.Values.Select(holder => holder.DisposeAsync().AsTask())).ConfigureAwait(false);
}

/// <summary>A cache that was added to the services.</summary>
internal sealed record DeviceRegistration(string Name);
