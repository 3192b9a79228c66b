using System.Diagnostics;
using Microsoft.Extensions.Logging;
using PCache.Core.Diagnostics;
using PCache.Core.Layout;
using PCache.Core.Opening;
using PCache.Core.Pmem;

namespace PCache.Core.Engine;

/// <summary>
/// From a region and a backing to an engine at work, and what is told of it. Keeps true: telling changes nothing:
/// whatever the listeners, the same things are done in the same order, and the same exception comes out.
/// </summary>
internal static class EngineOpening
{
    /// <summary>
    /// Opens a cache; with <paramref name="creating"/> formats it first. The engine isn't started yet.
    /// </summary>
    public static CacheEngine Open(PmemRegion region, IBlockDevice backing, PCacheOptions options, bool creating,
        CancellationToken cancellationToken)
    {
        var diagnostics = new DeviceDiagnostics(options.LoggerFactory, options.TimeProvider);
        long begun = options.TimeProvider.GetTimestamp();
        Activity? activity = PCacheActivities.StartOpen(creating, options.ReadOnly);
        string? failure = null;
        BackingClaim? claim = null;
        try
        {
            claim = options.ReadOnly ? null : BackingClaim.Take(backing);
            if (creating)
            {
                JournalRecognition.ApplyBeforeCreate(options, backing);
                DeviceSetup.Format(region, backing, options);
            }

            RecoveredCache recovered = Recover(region, backing, options, cancellationToken);
            var engine = new CacheEngine(region, backing, options, recovered, diagnostics, claim);
            claim = null;
            Tell(diagnostics.Logger, activity, engine, recovered, creating, options.TimeProvider.GetElapsedTime(begun));
            return engine;
        }
        catch (Exception e) when (NoteFailure(activity, e, out failure))
        {
            throw;
        }
        finally
        {
            claim?.Release();
            PCacheActivities.End(activity);
            KeyValuePair<string, object?> operation = new("pcache.operation", creating ? "create" : "open");
            double seconds = options.TimeProvider.GetElapsedTime(begun).TotalSeconds;
            if (failure is null)
            {
                PCacheMeter.Record(PCacheMeter.OpenDuration, seconds, operation);
            }
            else
            {
                PCacheMeter.Record(PCacheMeter.OpenDuration, seconds, operation, new("error.type", failure));
            }
        }
    }

    private static RecoveredCache Recover(
        PmemRegion region, IBlockDevice backing, PCacheOptions options, CancellationToken cancellationToken)
    {
        Activity? activity = PCacheActivities.StartRecovery();
        try
        {
            RecoveredCache recovered = Recovery.Run(region, backing, options, cancellationToken);
            PCacheActivities.Describe(activity, recovered.Report);
            return recovered;
        }
        catch (Exception e) when (PCacheActivities.Fail(activity, e))
        {
            throw;
        }
        finally
        {
            PCacheActivities.End(activity);
        }
    }

    private static bool NoteFailure(Activity? activity, Exception error, out string failure)
    {
        failure = error.GetType().FullName ?? error.GetType().Name;
        return PCacheActivities.Fail(activity, error);
    }

    private static void Tell(
        ILogger logger, Activity? activity, CacheEngine engine, RecoveredCache recovered, bool creating, TimeSpan time)
    {
        MediaState media = recovered.Extents.Media;
        Guid id = media.Extension?.CacheId.ToGuid() ?? Guid.Empty;
        activity?.SetTag("pcache.cache.id", id.ToString());
        activity?.SetTag("pcache.dirty.size", engine.Store.Dirty.Bytes);
        if (creating)
        {
            Messages.Created(logger, media.ChainLength, media.Geometry.SegmentSize);
        }

        Messages.Opened(
            logger, id, (long)time.TotalMilliseconds, media.ChainLength, media.Geometry.SegmentSize,
            recovered.Report.LiveKeys, engine.Store.Dirty.Bytes, engine.Persistence, !engine.CanWrite);
        if (recovered.Report.LogEnd == LogEnd.Torn)
        {
            Messages.TornLogEnd(logger, id);
        }

        if (recovered.Report.LostKeys > 0)
        {
            Messages.LostWrites(logger, id, recovered.Report.LostKeys);
        }
    }
}
