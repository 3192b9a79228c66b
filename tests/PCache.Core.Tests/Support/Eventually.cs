namespace PCache.Core.Tests.Support;

/// <summary>Waits for what other threads do; the limit only ends hangs.</summary>
internal static class Eventually
{
    public static void True(Func<bool> condition, string what) =>
        Assert.True(SpinWait.SpinUntil(condition, TestRuns.HangLimit), $"still waiting for: {what}");

    public static async Task Completes(Task task, string what)
    {
        Task first = await Task.WhenAny(task, Task.Delay(TestRuns.HangLimit));
        Assert.True(first == task, $"still waiting for: {what}");
        await task;
    }

    public static async Task<T> Completes<T>(Task<T> task, string what)
    {
        await Completes((Task)task, what);
        return await task;
    }

    /// <summary>Runs on a thread of its own.</summary>
    public static Task Thread(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>Runs on a thread of its own.</summary>
    public static Task<T> Thread<T>(Func<T> action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
