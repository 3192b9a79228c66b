using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// What is left tidy when a thread is interrupted, how long a close takes, and what survives the process.
internal static partial class MutantTable
{
    private static Mutant[] Liveness =>
    [
        new(
            "InterruptedAtALock", SteadyLock,
            "Uninterrupted.Do(_lock, static one => one.Enter());",
            "_lock.Enter();",
            "InterruptedLockTests"),
        new(
            "InterruptedAtALatch", Latch,
            "Uninterrupted.WaitOne(_wake);",
            "_wake.WaitOne();",
            "InterruptedLockTests"),
        new("InterruptForgotten", Uninterrupted, "interrupted = true;", "", "InterruptedLockTests"),
        new(
            "CancelledWaiterStaysAtTheGate", WaitingGate,
            "«_waiters.Remove(place);»\n            if (!_held)",
            "",
            "InterruptedLockTests"),
        new(
            "WriterStaysInTheQueueForRoom", Waiting,
            "rooms.Leave(write.Turn, write.Timer);",
            "",
            "InterruptTests.A_writer_interrupted_while_it_waits_for_room_leaves_the_queue_and_the_next_is_served"),
        new("PersistDoesNothing", Flushing, "_log.Persist();", "", "PersistOnTests"),
        new(
            "PersistWaitsForNone", LogWriter,
            "_persistsCompleted < request",
            "false",
            "PersistOnTests"),
        new(
            "PersistIsABarrier", LogWriter,
            "«AppendAllForPersists();»\n            }\n        }\n    }",
            "AppendAllForPersists(); _barrierPending = true;",
            "PersistOnTests"),
        new(
            "CloseWaitsForEver", CloseMonitor,
            "TimeSpan left = «Left»;",
            "Timeout.InfiniteTimeSpan",
            "CloseWithinTimeTests.A_long_drain_that_gets_on_ends_with_the_time_too_and_says_how_much_is_left"),
        new(
            "CloseThrowsWhateverComes", Closing,
            "if («failure is IOException»)",
            "true",
            "CloseTests"),
        new(
            "PositionWithoutEnd", StreamView,
            "PCacheDevice cache => «cache.MaxLengthBytes»",
            "long.MaxValue",
            "LongestPositionTests"),
    ];
}
