using Microsoft.Extensions.Logging;
using PCache.Core.Diagnostics;
using PCache.Core.Primitives;

namespace PCache.Core.Engine;

/// <summary>
/// Those who want to be told of changes of state. Keeps true: what a handler throws is logged and otherwise ignored;
/// without handlers, and without a log that takes errors, no thread is woken. Any thread.
/// </summary>
internal sealed class StateListeners(DeviceDiagnostics diagnostics)
{
    private readonly SteadyLock _lock = new();
    private volatile EventHandler<PCacheStateChangedEventArgs>? _handlers;
    private object? _sender;

    /// <summary>Whether a change has to be told.</summary>
    public bool Any => _handlers is not null || diagnostics.Logger.IsEnabled(LogLevel.Error);

    /// <summary>Adds a handler, which is told that the change is <paramref name="sender"/>'s.</summary>
    public void Add(object sender, EventHandler<PCacheStateChangedEventArgs>? handler)
    {
        using (_lock.Hold())
        {
            _sender = sender;
            _handlers += handler;
        }
    }

    /// <summary>Removes a handler.</summary>
    public void Remove(EventHandler<PCacheStateChangedEventArgs>? handler)
    {
        using (_lock.Hold())
        {
            _handlers -= handler;
        }
    }

    /// <summary>Tells of a change.</summary>
    public void Tell(PCacheState before, PCacheState now)
    {
        try
        {
            diagnostics.NoteState(before, now);
            _handlers?.Invoke(_sender, new PCacheStateChangedEventArgs(before, now));
        }
        catch (Exception e)
        {
            Messages.HandlerFailed(diagnostics.Logger, e, diagnostics.CacheId);
        }
    }
}
