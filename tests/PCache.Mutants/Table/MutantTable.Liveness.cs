namespace PCache.Mutants;

// What is left tidy when a thread is interrupted, how long a close takes, and what survives the process.
internal static partial class MutantTable
{
    private const string WaitingGate = Core + "Primitives/AsyncGate.cs";
    private const string Writing = Core + "Engine/CacheEngine.Write.cs";
    private const string Waiting = Core + "Engine/CacheEngine.Write.Waiting.cs";

    private static Mutant[] Liveness =>
    [
        new(
            "InterruptedAtALock", Core + "Primitives/SteadyLock.cs",
            "Uninterrupted.Do(_lock, static one => one.Enter());",
            "_lock.Enter();",
            "InterruptedLockTests"),
        new(
            "InterruptedAtALatch", Core + "Primitives/Latch.cs",
            "Uninterrupted.WaitOne(_wake);",
            "_wake.WaitOne();",
            "InterruptedLockTests"),
        new("InterruptForgotten", Core + "Primitives/Uninterrupted.cs", "interrupted = true;", "", "InterruptedLockTests"),
        new(
            "CancelledWaiterStaysAtTheGate", WaitingGate,
            "«_waiters.Remove(place);»\n            if (!_held)",
            "",
            "InterruptedLockTests"),
        new(
            "NobodyLeavesTheQueueForRoom", Waiting,
            "LeaveQueue(write.Turn, write.Timer);",
            "",
            "InterruptTests.A_writer_that_is_interrupted_while_it_waits_for_room_leaves_the_queue_and_the_next_one_is_served"),
        new("PersistDoesNothing", Writing, "PersistMedium();", "", "PersistOnTests"),
        new(
            "PersistWaitsForNobody", Core + "Ksets/LogWriter.cs",
            "_persistsCompleted < request",
            "false",
            "PersistOnTests"),
        new(
            "PersistIsABarrier", Core + "Ksets/LogWriter.cs",
            "«AppendAllForPersists();»\n            }\n        }\n    }",
            "AppendAllForPersists(); _barrierPending = true;",
            "PersistOnTests"),
        new(
            "CloseWaitsForEver", Core + "Engine/CloseMonitor.cs",
            "TimeSpan left = «Left»;",
            "Timeout.InfiniteTimeSpan",
            "CloseWithinTimeTests.A_long_drain_that_gets_on_ends_with_the_time_too_and_says_how_much_is_left"),
        new(
            "CloseThrowsWhateverComes", Core + "Engine/CacheEngine.Close.cs",
            "failure is IOException",
            "true",
            "CloseTests"),
        new(
            "PositionWithoutEnd", Core + "PCacheStream.cs",
            "PCacheDevice cache => «cache.MaxLengthBytes»",
            "long.MaxValue",
            "LongestPositionTests"),
    ];
}
