namespace PCache.Core.Opening;

/// <summary>
/// Progress and cancellation of one open. Keeps true: no report within <see cref="Interval"/> of the last one, but
/// for a new stage's; the caller's token ends the open only before anything on the medium is changed. Belongs to the
/// opening thread.
/// </summary>
internal sealed class OpenMonitor(PCacheOptions options, CancellationToken cancellationToken)
{
    /// <summary>Steps between two looks at token and clock: some tens of microseconds.</summary>
    private const int StepsPerLook = 64;

    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    private readonly IProgress<OpenProgress>? _progress = options.OpenProgress;
    private readonly TimeProvider _clock = options.TimeProvider;
    private OpenProgress _state;
    private long _reported;
    private int _steps;

    /// <summary>Begins a stage.</summary>
    /// <exception cref="OperationCanceledException">Cancelled, before the medium is changed.</exception>
    public void Begin(OpenStage stage)
    {
        if (stage <= OpenStage.Preparing)
        {
            cancellationToken.ThrowIfCancellationRequested();
        }

        _state = _state with { Stage = stage };
        Report();
    }

    /// <summary>Some segments have been read.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Loaded(int segments, int total)
    {
        _state = _state with { Segments = segments, TotalSegments = total };
        Look();
    }

    /// <summary>A kset has been read.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Replayed(long logBytes, int keys)
    {
        _state = _state with { LogBytes = logBytes, Ksets = _state.Ksets + 1, Keys = _state.Keys + keys };
        if (++_steps >= StepsPerLook)
        {
            _steps = 0;
            Look();
        }
    }

    /// <summary>The log's end is known.</summary>
    public void FoundEnd(long logBytes) => _state = _state with { LogBytes = logBytes, TotalLogBytes = logBytes };

    private void Look()
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_progress is not null && _clock.GetElapsedTime(_reported) >= Interval)
        {
            Report();
        }
    }

    private void Report()
    {
        if (_progress is not null)
        {
            _progress.Report(_state);
            _reported = _clock.GetTimestamp();
        }
    }
}
