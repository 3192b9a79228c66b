using PCache.Core.Layout;
using PCache.Core.Opening;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>
/// Changes of settings while the device is open, and data that is given up. Keeps true: each is an operation in
/// flight; a bad argument changes nothing; what is kept across opens is durable on return. Any thread.
/// </summary>
internal sealed class DeviceControl(
    EngineParts parts, UpkeepParts upkeep, Maintenance maintenance, DeviceRecords records, FillingMisses misses)
{
    /// <summary>Pauses write-back, or resumes it.</summary>
    public void SetPaused(bool paused)
    {
        int token = parts.Gate.Enter();
        try
        {
            maintenance.Paused = paused;
            parts.Monitor.Look();
        }
        finally
        {
            parts.Gate.Exit(token);
        }
    }

    /// <summary>Changes how consistent the backing is kept, from the next group or checkpoint on.</summary>
    public void SetConsistency(BackingConsistency level)
    {
        int token = parts.Gate.Enter();
        try
        {
            DeviceSetup.CheckConsistency(level, hasPlace: upkeep.Writeback.Journal is not null, nameof(level));
            upkeep.Writeback.Level = level;
        }
        finally
        {
            parts.Gate.Exit(token);
        }
    }

    /// <summary>Changes the threshold, durably, also across opens.</summary>
    public void SetGcThreshold(int percent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, CacheFlags.MaxGcPercent);
        int token = parts.Gate.Enter();
        try
        {
            records.SetGcPercent(percent);
        }
        finally
        {
            parts.Gate.Exit(token);
        }

        upkeep.Work.TellNow();
    }

    /// <summary>Changes the label, durably.</summary>
    public void SetLabel(string label)
    {
        ArgumentNullException.ThrowIfNull(label);
        int token = parts.Gate.Enter();
        try
        {
            records.SetLabel(label);
        }
        finally
        {
            parts.Gate.Exit(token);
        }
    }

    /// <summary>Gives damaged data up: it reads as what the backing has.</summary>
    public void AbandonDamaged(long offset, long length)
    {
        Ranges.Check(offset, length);
        int token = parts.Gate.Enter();
        try
        {
            upkeep.Writer.Log.AppendAll();
            misses.SuspendUntil(parts.Store.Positions.KeyHead.Distance);
            parts.Store.Damage.Abandon(offset, length);
            maintenance.RecheckDamage();
        }
        finally
        {
            parts.Gate.Exit(token);
        }
    }
}
