using PCache.Core.Indexing;
using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Store;
using PCache.Core.Writeback;

namespace PCache.Core.Opening;

/// <summary>
/// Opening: loads and validates the medium, replays the log into a fresh index, checks the backing; then, for a
/// writable open only, makes the medium ready.
/// </summary>
/// <remarks>
/// Keeps true: nothing on the medium is changed before everything was validated and consented to; a read-only open
/// changes nothing at all. The first store of a writable open zeroes the log's end, durably, so that no reader ever
/// follows what was rejected. No replica of the key tail names a free segment before one is used. The identity of the
/// backing is durable before the first dirty key can be.
/// </remarks>
internal static class Recovery
{
    /// <summary>Runs the whole of it.</summary>
    /// <exception cref="OperationCanceledException">Cancelled; nothing on the medium was changed.</exception>
    public static RecoveredCache Run(
        PmemRegion region, IBlockDevice backing, PCacheOptions options, CancellationToken cancellationToken)
    {
        long started = options.TimeProvider.GetTimestamp();
        var monitor = new OpenMonitor(options, cancellationToken);
        monitor.Begin(OpenStage.Loading);
        MediaState media = MediaLoader.Load(region, monitor.Loaded);
        if (options.PayloadCrc is bool wanted && wanted != media.Flags.PayloadCrc)
        {
            throw new PCacheException(
                $"The cache was made with payload checksums {(media.Flags.PayloadCrc ? "on" : "off")}; the options ask "
                + $"for the opposite. Leave the option unset to take the image as it is.");
        }

        IndexMemory.CheckCapacity(options.MaxIndexMemoryBytes, media.ChainLength, media.Geometry.DataSize);
        var recognition = new BackingRecognition(region, backing, options, media);
        recognition.CheckBinding();
        JournalRecognition journal = JournalRecognition.Read(options, backing);
        var index = new ShardedIndex(Machine.Of(options.TimeProvider).Chance.Cores);
        try
        {
            var memory = new IndexMemory(index, options.MaxIndexMemoryBytes);
            var work = new WorkSignal();
            monitor.Begin(OpenStage.Replaying);
            ReplayedLog log = ReplayedLog.Read(
                region, media, memory, options, backing.Length, recognition.Record.SinceSequence, work, monitor);
            RequireRoomForLength(backing, options, log);
            TimeSpan elapsed = options.TimeProvider.GetElapsedTime(started);
            journal.Judge(
                media.Extension?.CacheId.ToGuid() ?? Guid.Empty, log.DirtyTailSequence, log.Result.LastSequence);
            recognition.CheckContent(log, cancellationToken);
            CheckpointSettings? checkpoints = null;
            if (!options.ReadOnly)
            {
                monitor.Begin(OpenStage.Preparing);
                MakeReady(region, backing, options, media, log, recognition);
                checkpoints = journal.MakeReady(media.Geometry.IsLinux);
            }

            else
            {
                journal.Dispose();
            }

            monitor.Begin(OpenStage.Done);
            return new RecoveredCache
            {
                Extents = log.Extents,
                LastSequence = log.LastSequence,
                LengthInLog = log.Result.LengthInLog,
                ReservedSegments = log.ReservedSegments,
                Work = work,
                RecentPlaces = recognition.RecentPlaces,
                BackingRecord = recognition.Record,
                BackingRecordReplicas = recognition.RecordReplicas,
                Checkpoints = checkpoints,
                Report = new RecoveryReport
                {
                    Ksets = log.Result.Ksets,
                    LiveKeys = log.Result.LiveKeys,
                    DeadKeys = log.Result.DeadKeys,
                    LostKeys = log.Result.LostKeys,
                    LogEnd = log.Result.End,
                    KeyHead = log.Result.KeyHead,
                    BackingCheck = recognition.Result,
                    Elapsed = elapsed,
                },
            };
        }
        catch
        {
            index.Dispose();
            journal.Dispose();
            throw;
        }
    }

    /// <summary>What the program made longer has to become longer behind the cache too.</summary>
    private static void RequireRoomForLength(IBlockDevice backing, PCacheOptions options, ReplayedLog log)
    {
        if (log.Result.LengthInLog > backing.Length && !backing.CanResize && !options.ReadOnly)
        {
            throw new PCacheBackingMismatchException(
                BackingMismatchReason.TooShort,
                $"By the cache the device has grown to {log.Result.LengthInLog} bytes; this backing has "
                + $"{backing.Length}, and its length is fixed. Attach one that can grow.")
            {
                ExpectedLength = log.Result.LengthInLog,
                ActualLength = backing.Length,
            };
        }
    }

    private static void MakeReady(
        PmemRegion region, IBlockDevice backing, PCacheOptions options, MediaState media, ReplayedLog log,
        BackingRecognition recognition)
    {
        // A process that was killed leaves stores that its successor sees and a power cut still takes back (they were
        // never flushed). Whatever is built on them from here on comes after them: the log, and the length of a
        // backing that had just grown.
        region.FlushRange(0, region.LengthBytes);
        region.Drain();
        if (backing.CanResize)
        {
            backing.Flush();
        }

        // From here on the backing may change: what it was is what it has to be only where nothing was written back.
        recognition.KeepFingerprint(log.IsEmpty);

        // First of all: no reader may ever follow what stands behind the log's end.
        SegmentTable segments = log.Extents.Segments;
        LogPositions positions = log.Extents.Positions;
        LogPosition head = positions.KeyHead.Position;
        long at = segments.DataOffset(head.Segment) + head.Offset;
        int behind = segments.DataSize - head.Offset;
        RegionZeroing.Zero(region, at, Math.Min(behind, MediaConstants.KsetHeaderSize));
        RegionZeroing.Zero(region, at, behind);

        // A crash may have left the older replica of the key tail in a segment that counts as free now and is about
        // to be used again: falling back to it must not be harmful.
        positions.WriteKeyTail(positions.KeyTail, both: true);
        segments.ClearFreeHeads();
        ReplicaRepair.Run(region, media);

        // An image that isn't bound yet (Linux made it, or the command without a backing) is bound now, before the
        // first dirty key.
        if (options.RebindBacking || media.Extension is not { BackingLength: > 0 })
        {
            ExtensionBlocks.Bind(region, media, backing.Length, options.BackingIdentity, backing.CanResize);
        }

        recognition.KeepRecord(log.IsEmpty, log.LastSequence);
        if (options.GcThresholdPercent is int percent && percent != media.Flags.GcPercent)
        {
            CacheInfoWriter.SetGcPercent(region, media, percent);
        }
    }
}
