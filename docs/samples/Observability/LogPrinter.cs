using Microsoft.Extensions.Logging;
using PCache.Core;

namespace Observability;

/// <summary>Prints the cache's log messages: level, number, text.</summary>
internal sealed class LogPrinter(TextWriter output) : ILoggerProvider, ILogger
{
    private readonly bool _prints = true;

    private LogPrinter(TextWriter output, bool prints)
        : this(output) => _prints = prints;

    public ILogger CreateLogger(string categoryName) => new LogPrinter(output, categoryName == PCacheDiagnostics.LogCategory);

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => _prints;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (_prints)
        {
            output.WriteLine($"log    {logLevel} [{eventId.Id}] {formatter(state, exception)}{(exception is null ? "" : $" ({exception.GetType().Name}: {exception.Message})")}");
        }
    }

    public void Dispose()
    {
        // The output is the caller's.
    }
}
