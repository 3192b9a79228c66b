using System.Diagnostics;

namespace PCache.Core.Primitives;

/// <summary>
/// Waits that <see cref="Thread.Interrupt"/> doesn't end: for the places where something is held that has to be given
/// back, and for the threads of our own.
/// </summary>
/// <remarks>
/// Keeps true: each call returns only when what it waits for has come (or its time is over), and an interrupt that
/// came meanwhile isn't lost: once the wait has
/// ended it stands against the thread again, and comes out at the next wait that may be interrupted, which is the
/// caller's own business.
/// What is called here changes nothing when it throws <see cref="ThreadInterruptedException"/>: it may be called once
/// more. That is so of every
/// call of the runtime that does no more than to take a lock of its own first (releasing a semaphore, disposing a
/// timer). It isn't so of waiting for a
/// <see cref="SemaphoreSlim"/>: interrupted, that may lose the wake-ups of others for good.
/// </remarks>
internal static class Uninterrupted
{
    /// <summary>Calls <paramref name="action"/> until no interrupt ends it.</summary>
    public static void Do<TState>(TState state, Action<TState> action)
    {
        bool interrupted = false;
        try
        {
            while (true)
            {
                try
                {
                    action(state);
                    return;
                }
                catch (ThreadInterruptedException)
                {
                    interrupted = true;
                }
            }
        }
        finally
        {
            if (interrupted)
            {
                Thread.CurrentThread.Interrupt();
            }
        }
    }

    /// <summary>Lets another thread pass a semaphore.</summary>
    public static void Release(SemaphoreSlim semaphore) => Do(semaphore, static one => one.Release());

    /// <summary>Waits for a signal.</summary>
    public static void WaitOne(WaitHandle handle) => Do(handle, static one => one.WaitOne());

    /// <summary>Waits for a thread's end.</summary>
    public static void Join(Thread thread) => Do(thread, static one => one.Join());

    /// <summary>Enters a monitor.</summary>
    public static void Enter(object monitor) => Do(monitor, static one => Monitor.Enter(one));

    /// <summary>Ends a timer, where there is one.</summary>
    public static void Dispose(ITimer? timer)
    {
        if (timer is not null)
        {
            Do(timer, static one => one.Dispose());
        }
    }

    /// <summary>
    /// Waits until one of the tasks has completed, however, and returns which. <paramref name="tasks"/>: at least one.
    /// </summary>
    public static int WaitAny(Task[] tasks)
    {
        int done = -1;
        Do(tasks, all => done = Task.WaitAny(all));
        return done;
    }

    /// <summary>Waits until the task has completed, however; false: the time was over before.</summary>
    /// <param name="task">What is waited for.</param>
    /// <param name="timeout">Zero or more, or <see cref="Timeout.InfiniteTimeSpan"/>.</param>
    public static bool Wait(Task task, TimeSpan timeout)
    {
        long begun = Stopwatch.GetTimestamp();
        bool done = false;
        Do(task, one =>
        {
            do
            {
                // Never without an end: the task might be run on this thread then.
                double left = timeout == Timeout.InfiniteTimeSpan
                    ? int.MaxValue
                    : (timeout - Stopwatch.GetElapsedTime(begun)).TotalMilliseconds;
                try
                {
                    done = one.Wait(TimeSpan.FromMilliseconds(Math.Clamp(left, 0, int.MaxValue)));
                }
                catch (AggregateException)
                {
                    done = true; // with an error, which is its own matter
                }
            }
            while (!done && timeout == Timeout.InfiniteTimeSpan);
        });
        return done;
    }
}
