using System.Diagnostics;

namespace PCache.Core.Diagnostics;

/// <summary>
/// Activities of what takes long. Keeps true: without a listener nothing is allocated; an activity that ends in an
/// exception has the status of an error; what a listener throws is ignored.
/// </summary>
internal static class PCacheActivities
{
    private static readonly ActivitySource Source = new(
        PCacheDiagnostics.ActivitySourceName, typeof(PCacheActivities).Assembly.GetName().Version?.ToString(3));

    /// <summary>Opening or creating a cache, recovery included.</summary>
    public static Activity? StartOpen(bool creating, bool readOnly)
    {
        Activity? activity = Start(creating ? "pcache.create" : "pcache.open");
        activity?.SetTag("pcache.read_only", readOnly);
        return activity;
    }

    /// <summary>Loading the medium and replaying the log.</summary>
    public static Activity? StartRecovery() => Start("pcache.recovery");

    /// <summary>Writing everything back, on a caller's demand.</summary>
    public static Activity? StartDrain(long dirtyBytes)
    {
        Activity? activity = Start("pcache.drain");
        activity?.SetTag("pcache.dirty.size", dirtyBytes);
        return activity;
    }

    /// <summary>Closing a device, what is flushed or drained at its end included.</summary>
    public static Activity? StartClose() => Start("pcache.close");

    /// <summary>Ends an activity.</summary>
    public static void End(Activity? activity)
    {
        if (activity is null)
        {
            return;
        }

        try
        {
            activity.Dispose();
        }
        catch (Exception)
        {
            // The listener's; it kept the activity from giving its place back.
            Activity.Current = ReferenceEquals(Activity.Current, activity) ? activity.Parent : Activity.Current;
        }
    }

    /// <summary>What a recovery found.</summary>
    public static void Describe(Activity? activity, RecoveryReport report)
    {
        if (activity is null)
        {
            return;
        }

        activity.SetTag("pcache.recovery.ksets", report.Ksets);
        activity.SetTag("pcache.recovery.live_keys", report.LiveKeys);
        activity.SetTag("pcache.recovery.dead_keys", report.DeadKeys);
        activity.SetTag("pcache.recovery.lost_keys", report.LostKeys);
        activity.SetTag("pcache.recovery.log_end", report.LogEnd.ToString());
    }

    /// <summary>For exception filters: gives the activity the status of an error, and never catches.</summary>
    public static bool Fail(Activity? activity, Exception error)
    {
        if (activity is not null)
        {
            activity.SetTag("error.type", error.GetType().FullName);
            activity.SetStatus(ActivityStatusCode.Error, error.Message);
        }

        return false;
    }

    private static Activity? Start(string name)
    {
        Activity? before = Activity.Current;
        try
        {
            return Source.StartActivity(name);
        }
        catch (Exception)
        {
            Activity.Current = before;
            return null;
        }
    }
}
