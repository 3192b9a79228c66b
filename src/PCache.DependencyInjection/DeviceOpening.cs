using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.DependencyInjection;

/// <summary>
/// From settings to a device. Keeps true: what an open that fails had opened is closed again (unless it is to be left open); the library's exceptions come out as they are.
/// </summary>
internal static class DeviceOpening
{
    /// <summary>Opens on this thread.</summary>
    public static PCacheDevice Open(IServiceProvider services, PCacheSettings settings)
    {
        Parts parts = OpenParts(services, settings);
        try
        {
            return parts.Create
                ? PCacheDevice.OpenOrCreate(parts.Region, parts.Backing, parts.Options)
                : PCacheDevice.Open(parts.Region, parts.Backing, parts.Options);
        }
        catch
        {
            parts.Close();
            throw;
        }
    }

    /// <summary>Opens on threads of the pool; cancelled, it has changed nothing but maybe made an empty file or cache.</summary>
    public static async Task<PCacheDevice> OpenAsync(IServiceProvider services, PCacheSettings settings, CancellationToken cancellationToken)
    {
        Parts parts = await Task.Run(() => OpenParts(services, settings), cancellationToken).ConfigureAwait(false);
        try
        {
            return await (parts.Create
                ? PCacheDevice.OpenOrCreateAsync(parts.Region, parts.Backing, parts.Options, cancellationToken)
                : PCacheDevice.OpenAsync(parts.Region, parts.Backing, parts.Options, cancellationToken)).ConfigureAwait(false);
        }
        catch
        {
            parts.Close();
            throw;
        }
    }

    /// <summary>The backing first: no cache file is made for a backing that isn't there.</summary>
    private static Parts OpenParts(IServiceProvider services, PCacheSettings settings)
    {
        PCacheOptions options = MakeOptions(services, settings);
        bool create = settings.CreateIfMissing && !settings.ReadOnly;
        IBlockDevice backing = settings.BackingFactory is { } make
            ? make(services) ?? throw new InvalidOperationException("PCacheSettings.BackingFactory returned null.")
            : BlockDevice.OpenFile(settings.BackingPath!, settings.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite);
        try
        {
            return new Parts(OpenRegion(services, settings, create), backing, options, create);
        }
        catch
        {
            if (!options.LeaveBackingOpen)
            {
                backing.Dispose();
            }

            throw;
        }
    }

    private static PmemRegion OpenRegion(IServiceProvider services, PCacheSettings settings, bool create)
    {
        if (settings.RegionFactory is { } make)
        {
            return make(services) ?? throw new InvalidOperationException("PCacheSettings.RegionFactory returned null.");
        }

        var options = new PmemFileOptions
        {
            Persistence = settings.Persistence,
            PowerSafe = settings.PowerSafe,
            Prefault = settings.Prefault,
            ReadOnly = settings.ReadOnly,
        };
        return create
            ? PmemFile.OpenOrCreate(settings.CachePath!, settings.CacheLengthBytes!.Value, options)
            : PmemFile.Open(settings.CachePath!, options);
    }

    private static PCacheOptions MakeOptions(IServiceProvider services, PCacheSettings s)
    {
        var options = new PCacheOptions
        {
            SegmentSizeBytes = s.SegmentSizeBytes,
            PayloadCrc = s.PayloadCrc,
            GcThresholdPercent = s.GcThresholdPercent,
            Label = s.Label,
            BackingIdentity = s.BackingIdentity,
            RebindBacking = s.RebindBacking,
            BackingFingerprintBlocks = s.BackingFingerprintBlocks,
            AcceptLostWrites = s.AcceptLostWrites,
            ReadOnly = s.ReadOnly,
            VerifyReads = s.VerifyReads,
            CacheReads = s.CacheReads,
            KsetTimeout = s.KsetTimeout,
            PersistOn = s.PersistOn,
            WritebackDelay = s.WritebackDelay,
            StartWritebackPaused = s.StartWritebackPaused,
            WritebackConcurrency = s.WritebackConcurrency,
            WritebackGroupBytes = s.WritebackGroupBytes,
            SpaceTimeout = s.SpaceTimeout,
            LogReserveSegments = s.LogReserveSegments,
            DrainOnDispose = s.DrainOnDispose,
            DisposeTimeout = s.DisposeTimeout,
            LeaveRegionOpen = s.LeaveRegionOpen,
            LeaveBackingOpen = s.LeaveBackingOpen,
            MaxIndexMemoryBytes = s.MaxIndexMemoryBytes,
            TimeProvider = services.GetService<TimeProvider>() ?? TimeProvider.System,
            LoggerFactory = services.GetService<ILoggerFactory>(),
        };
        return s.ConfigureOptions is not { } configure
            ? options
            : configure(services, options) ?? throw new InvalidOperationException("PCacheSettings.ConfigureOptions returned null.");
    }

    private sealed record Parts(PmemRegion Region, IBlockDevice Backing, PCacheOptions Options, bool Create)
    {
        public void Close()
        {
            if (!Options.LeaveRegionOpen)
            {
                Region.Dispose();
            }

            if (!Options.LeaveBackingOpen)
            {
                Backing.Dispose();
            }
        }
    }
}
