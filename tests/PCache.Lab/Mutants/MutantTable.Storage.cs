using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// What is underneath: backings, regions, streams, indexes.
internal static partial class MutantTable
{
    private static Mutant[] Storage =>
    [
        new(
            "SyncMissesTheLastPage", Mapping,
            "(nuint)(offset + lengthBytes - start)",
            "(nuint)lengthBytes",
            "UnixSyncTests"),
        new(
            "SyncBeginsLate", Mapping,
            "offset & -(long)Environment.SystemPageSize",
            "(offset + 4095) & -(long)Environment.SystemPageSize",
            "UnixSyncTests"),
        new(
            "PendingRangeEndsEarly", PendingSync,
            "offset + lengthBytes",
            "offset + lengthBytes - 1",
            "PendingSyncTests"),
        new(
            "PendingRangeForgetsItsBeginning", PendingSync,
            "_start = Math.Min(_start, offset);",
            "_start = offset;",
            "PendingSyncTests"),
        new("FailedSyncForgotten", PendingSync, "_failure = failure;", "", "PendingSyncTests"),
        new("PowerSafeRegionSyncsNothing", MappedRegion, "_pending?.Drain();", "", "MappedSyncTests"),
        new("PowerSafeRegionForgetsRanges", MappedRegion, "_pending.Add(offset, lengthBytes);", "", "MappedSyncTests"),
        new(
            "PowerSafeDrainTakenForCheap", MappedRegion,
            "DrainIsCheap => «_pending is null»;",
            "true",
            "MappedSyncTests"),
        new(
            "ShortReadIsTheEnd", StreamDevice,
            "_stream.ReadAtLeast(buffer[..wantedBytes], wantedBytes, throwOnEndOfStream: false)",
            "_stream.Read(buffer[..wantedBytes])",
            "AwkwardStreamDeviceContractTests"),
        new(
            "ShortReadIsTheEndAsync", StreamDevice,
            "_stream.ReadAtLeastAsync(buffer[..wantedBytes], wantedBytes, throwOnEndOfStream: false, "
            + "cancellationToken)",
            "_stream.ReadAsync(buffer[..wantedBytes], cancellationToken)",
            "AwkwardStreamDeviceContractTests"),
        new(
            "GrowthNotZeroed", StreamDevice,
            "_stream.Write(ZeroChunk(left).Span);",
            "",
            "AwkwardStreamDeviceContractTests"),
        new(
            "GrowthNotZeroedAsync", StreamDevice,
            "await _stream.WriteAsync(ZeroChunk(left), cancellationToken).ConfigureAwait(false);",
            "",
            "AwkwardStreamDeviceContractTests"),
        new(
            "ForeignGrowthTakenForZeros", StreamDevice,
            "stream is MemoryStream or FileStream",
            "true",
            "AwkwardStreamDeviceContractTests"),
        new("GapOfAWriteNotZeroed", StreamDevice, "GrowTo(offset);", "", "AwkwardStreamDeviceContractTests"),
        new(
            "GapOfAWriteNotZeroedAsync", StreamDevice,
            "await GrowToAsync(offset, cancellationToken).ConfigureAwait(false);",
            "",
            "AwkwardStreamDeviceContractTests"),
        new(
            "LengthNotLearnt", StreamDevice,
            "_stream.Write(buffer);\n            «LearnLength();»",
            "",
            "AwkwardStreamDeviceContractTests"),
        new(
            "LengthNotLearntAsync", StreamDevice,
            "await _stream.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);\n            "
            + "«LearnLength();»",
            "",
            "AwkwardStreamDeviceContractTests"),
        new(
            "StreamFlushedToNowhere", StreamDevice,
            "else\n            {\n                «_stream.Flush();»",
            "",
            "BlockDeviceFactoryTests", "StreamFlushTests"),
        new(
            "StreamFlushedToNowhereAsync", StreamDevice,
            ": «_stream.FlushAsync(cancellationToken)»).ConfigureAwait(false);",
            "Task.CompletedTask",
            "StreamFlushTests"),
        new(
            "ForcedCallNotFlushed", CheckedDevice,
            "Harden(WriteDurability durability)\n    {\n        if («durability == WriteDurability.ForceUnitAccess»)",
            "false",
            "StreamFlushTests"),
        new(
            "FileFlushedToTheSystemOnly", StreamDevice,
            "try\n        {\n            if (_stream is FileStream file)\n            {\n                "
            + "file.Flush(flushToDisk: «true»);",
            "false",
            "BlockDeviceFactoryTests", "StreamFlushTests"),
        new(
            "ForcedWriteNotFlushedAsync", CheckedDevice,
            "await FlushAllAsync(cancellationToken).ConfigureAwait(false);",
            "",
            "StreamFlushTests"),
        new(
            "FlushKeepsWhatIsPending", StreamView,
            "ThrowIfDisposed();\n        «HandOver();»\n        DropBuffer();\n        _device.Flush();",
            "",
            "PCacheStreamTests", "StreamFlushTests"),
        new(
            "AsyncFlushOfPendingBytesFlushesNothing", StreamView,
            "await _device.FlushAsync(cancellationToken).ConfigureAwait(false);",
            "",
            "StreamFlushTests"),
        new(
            "PendingWriteTakenOverTwice", StreamWriting,
            "_position += head;\n        «NothingPending();»",
            "",
            "PCacheStreamTests", "PCacheStreamModelTests"),
        new("DrainedGateTellsNone", Gate, "Add(token, -1);\n        if («_closed»)", "false", "OperationGateTests"),
        new("ClosedGateLetsIn", Gate, "Add(token, 1);\n        if («_closed»)", "false", "OperationGateTests"),
        new(
            "SlotNotAdvanced", IndexStorage,
            "at += length;\n            «slot = slot.Advance(length);»",
            "",
            "StripeIndexModelTests", "StripeIndexTests"),
        new(
            "PageGoneThoughAPartStays", IndexStorage,
            "matches && to - from == Slot.PageSectors",
            "matches",
            "StripeIndexModelTests", "StripeIndexTests"),
        new(
            "OverwrittenSectorsLeak", IndexStorage,
            "«GiveSectors(entry, chunk, run);»\n        }\n\n        Slot* slots",
            "",
            "StripeIndexModelTests", "StripeStorageTests"),
    ];
}
