using Microsoft.Extensions.Options;
using PCache.Core;
using PCache.Core.Primitives;

namespace PCache.DependencyInjection;

/// <summary>
/// One cache of a container. Keeps true: it is opened at most once at a time, and once only when that works; nothing
/// is opened after the close; what was opened is closed.
/// </summary>
internal sealed class DeviceHolder(string name, IServiceProvider services, IOptionsMonitor<PCacheSettings> settings)
    : IAsyncDisposable
{
    private readonly AsyncGate _gate = new();
    private volatile PCacheDevice? _device;
    private bool _closed;

    /// <summary>Whether a host is to open it.</summary>
    /// <exception cref="OptionsValidationException">A setting is wrong.</exception>
    public bool OpenOnStart => settings.Get(name).OpenOnStart;

    /// <summary>The device; opened now, on this thread, if it wasn't.</summary>
    public PCacheDevice Open()
    {
        if (_device is { } device)
        {
            return device;
        }

        _gate.Enter();
        try
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            return _device ??= DeviceOpening.Open(services, settings.Get(name), name);
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <inheritdoc cref="Open"/>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        await _gate.EnterAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            _device ??= await DeviceOpening.OpenAsync(
                services, settings.Get(name), name, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _gate.Exit();
        }
    }

    /// <summary>Closes, if the container hasn't done so already; an open in progress is waited for.</summary>
    public async ValueTask DisposeAsync()
    {
        await _gate.EnterAsync(CancellationToken.None).ConfigureAwait(false);
        try
        {
            _closed = true;
            if (_device is { } device)
            {
                await device.DisposeAsync().ConfigureAwait(false);
            }
        }
        finally
        {
            _gate.Exit();
        }
    }
}
