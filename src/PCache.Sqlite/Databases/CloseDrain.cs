using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PCache.Core;
using PCache.Core.Files;

namespace PCache.Sqlite.Databases;

/// <summary>
/// The drain of a database's last close. Keeps true: it takes no longer than it was told to; what isn't written back
/// by then stays dirty in the cache, safely, and that is said; one that takes longer than a second isn't silent.
/// </summary>
/// <param name="timeout">How long it may take, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
/// <param name="logger">Where messages go.</param>
internal sealed class CloseDrain(TimeSpan timeout, ILogger logger) : IProgress<DrainProgress>
{
    private static readonly Action<ILogger, string, long, long, Exception?> StillDraining =
        LoggerMessage.Define<string, long, long>(
            LogLevel.Information,
            new EventId(2, nameof(StillDraining)),
            "The close of {Database} is still writing back after {Milliseconds} ms; {DirtyBytes} bytes are left.");

    private static readonly TimeSpan FirstWord = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan NextWord = TimeSpan.FromSeconds(10);

    private string _path = string.Empty;
    private long _begun;
    private TimeSpan _sayAt = FirstWord;

    /// <summary>Drains.</summary>
    /// <exception cref="PCacheException">The time was over; what is left stays in the cache.</exception>
    public void Run(Database database)
    {
        _path = SafeText.Of(database.Path);
        _begun = Stopwatch.GetTimestamp();
        using var stop = new CancellationTokenSource(timeout);
        try
        {
            database.Drain(this, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new PCacheException($"Not everything of '{_path}' was written back within "
                + $"PCacheVfsOptions.DrainOnCloseTimeout ({timeout.TotalSeconds:0.###} s): "
                + $"{database.Device!.GetStatus().DirtyBytes} bytes stay dirty in its cache, safely. The next open "
                + $"goes on with them, and \"pcache sqlite drain\" brings them to the plain files.");
        }
    }

    /// <inheritdoc/>
    void IProgress<DrainProgress>.Report(DrainProgress value)
    {
        TimeSpan elapsed = Stopwatch.GetElapsedTime(_begun);
        if (elapsed >= _sayAt)
        {
            _sayAt = elapsed + NextWord;
            StillDraining(logger, _path, (long)elapsed.TotalMilliseconds, value.RemainingBytes, null);
        }
    }
}
