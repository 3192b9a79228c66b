using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace PCache.DependencyInjection.Tests;

/// <summary>Keeps log messages.</summary>
internal sealed class Messages : ILoggerFactory, ILogger
{
    public ConcurrentQueue<string> Texts { get; } = new();

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState,
        Exception?, string> formatter) => Texts.Enqueue(formatter(state, exception));

    public void Dispose()
    {
    }
}

/// <summary>Short words for containers.</summary>
internal static class ContainerExtensions
{
    /// <summary>Does something with a container, then disposes it.</summary>
    public static void Using(this ServiceProvider provider, Action<ServiceProvider> action)
    {
        using (provider)
        {
            action(provider);
        }
    }
}
