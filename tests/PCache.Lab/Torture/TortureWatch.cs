using System.Diagnostics;
using System.Globalization;
using System.Runtime.ExceptionServices;

namespace PCache.Lab.Torture;

/// <summary>A run makes no progress: where it is, as far as can be known.</summary>
internal sealed class TortureHang(string message) : Exception(message);

/// <summary>
/// Sees that a run gets on. Progress is an action that begins or a crash state that is tried; what an action does
/// inside is none, so that an endless loop is
/// found though it stores and drains. Keeps true: a run that makes no progress for the limit, or is in one action for
/// ten times as long, ends for the thread that waits for it, with the
/// place: the stack at its next event of region or disk, or of the wait that it is in; a loop with neither is told by
/// its action alone. The run's thread is left to itself then.
/// </summary>
internal sealed class TortureWatch
{
    private const int ActionLimits = 10;
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private string _place = "the beginning";
    private string? _stack;
    private volatile bool _asked;
    private long _begun = Stopwatch.GetTimestamp();
    private long _progress = Stopwatch.GetTimestamp();

    /// <summary>Runs something on a thread of its own and returns what it returns or throws.</summary>
    /// <param name="limit">Longest time without progress.</param>
    /// <param name="body">The run; it tells the watch what it does.</param>
    /// <exception cref="TortureHang">No progress.</exception>
    public static T Run<T>(TimeSpan limit, Func<TortureWatch, T> body)
    {
        var watch = new TortureWatch();
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                result = body(watch);
            }
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
        })
        { IsBackground = true, Name = "torture" };
        thread.Start();
        TimeSpan look = limit / 20;
        while (!thread.Join(look))
        {
            if (watch.IsStuck(limit))
            {
                throw watch.Examine(thread, limit);
            }
        }

        failure?.Throw();
        return result;
    }

    /// <summary>An action begins.</summary>
    public void Begin(string place)
    {
        lock (_lock)
        {
            _place = place;
            _begun = _progress = Stopwatch.GetTimestamp();
        }
    }

    /// <summary>A crash state is tried, or something else that can't go on for ever.</summary>
    public void Progress() => Volatile.Write(ref _progress, Stopwatch.GetTimestamp());

    /// <summary>Something happens to region or disk. Is no progress; but a report says where.</summary>
    public void Event()
    {
        if (_asked)
        {
            Note(Environment.StackTrace);
        }
    }

    private bool IsStuck(TimeSpan limit)
    {
        lock (_lock)
        {
            return Stopwatch.GetElapsedTime(Volatile.Read(ref _progress)) > limit
                || Stopwatch.GetElapsedTime(_begun) > limit * ActionLimits;
        }
    }

    private void Note(string stack)
    {
        lock (_lock)
        {
            _stack ??= stack;
        }
    }

    private TortureHang Examine(Thread thread, TimeSpan limit)
    {
        AppDomain.CurrentDomain.FirstChanceException += OnThrow;
        try
        {
            _asked = true;
            if (!WaitForStack())
            {
                thread.Interrupt(); // if it waits, the exception begins where it waits
                WaitForStack();
            }
        }
        finally
        {
            AppDomain.CurrentDomain.FirstChanceException -= OnThrow;
        }

        lock (_lock)
        {
            return new TortureHang(string.Create(
                CultureInfo.InvariantCulture,
                $"The run makes no progress: in {_place} for {Stopwatch.GetElapsedTime(_begun).TotalSeconds:F0} s "
                    + $"(limit {limit.TotalSeconds:F0} s without progress). "
                + $"{(_stack is null ? "It neither waits nor stores nor calls the backing." : "It is here:")}"
                + $"{Environment.NewLine}{_stack}"));
        }

        void OnThrow(object? sender, FirstChanceExceptionEventArgs e)
        {
            if (ReferenceEquals(Thread.CurrentThread, thread) && e.Exception is ThreadInterruptedException)
            {
                Note(Environment.StackTrace);
            }
        }
    }

    private bool WaitForStack() => SpinWait.SpinUntil(
        () =>
        {
            lock (_lock)
            {
                return _stack is not null;
            }
        },
        Grace);
}
