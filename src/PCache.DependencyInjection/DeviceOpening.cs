using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.DependencyInjection;

/// <summary>
/// From settings to a device. Keeps true: what an open that fails had opened is closed again (unless it is to be left
/// open); the library's exceptions come out as they are.
/// </summary>
internal static partial class DeviceOpening
{
    /// <summary>Opens on this thread.</summary>
    public static PCacheDevice Open(IServiceProvider services, PCacheSettings settings, string name)
    {
        try
        {
            Parts parts = OpenParts(services, settings, name);
            try
            {
                return !parts.Create ? PCacheDevice.Open(parts.Region!, parts.Backing, parts.Options)
                    : parts.Region is { } region ? PCacheDevice.OpenOrCreate(region, parts.Backing, parts.Options)
                    : PCacheDevice.OpenOrCreate(
                        settings.CachePath!, settings.CacheLengthBytes!.Value, parts.Backing, parts.Options,
                        parts.FileOptions);
            }
            catch
            {
                parts.Close();
                throw;
            }
        }
        catch (Exception e)
        {
            Tell(services, settings, name, e);
            throw;
        }
    }

    /// <summary>
    /// Opens on threads of the pool; cancelled, it has changed nothing but maybe made an empty cache.
    /// </summary>
    public static async Task<PCacheDevice> OpenAsync(
        IServiceProvider services, PCacheSettings settings, string name, CancellationToken cancellationToken)
    {
        try
        {
            Parts parts = await Task.Run(
                () => OpenParts(services, settings, name), cancellationToken).ConfigureAwait(false);
            try
            {
                return await (!parts.Create
                    ? PCacheDevice.OpenAsync(parts.Region!, parts.Backing, parts.Options, cancellationToken)
                    : parts.Region is { } region
                    ? PCacheDevice.OpenOrCreateAsync(region, parts.Backing, parts.Options, cancellationToken)
                    : PCacheDevice.OpenOrCreateAsync(
                        settings.CachePath!, settings.CacheLengthBytes!.Value, parts.Backing, parts.Options,
                        parts.FileOptions, cancellationToken)).ConfigureAwait(false);
            }
            catch
            {
                parts.Close();
                throw;
            }
        }
        catch (Exception e)
        {
            Tell(services, settings, name, e);
            throw;
        }
    }

    /// <summary>How a cache is called in messages.</summary>
    internal static string NameOf(string name) => name.Length == 0 ? "The cache" : $"Cache '{name}'";

    /// <summary>
    /// One line for people, before the exception with all its frames comes out of a host or a container.
    /// </summary>
    private static void Tell(IServiceProvider services, PCacheSettings settings, string name, Exception error)
    {
        if (error is not OperationCanceledException && services.GetService<ILoggerFactory>() is { } loggers)
        {
            NotOpened(
                loggers.CreateLogger("PCache.DependencyInjection"),
                NameOf(name),
                error.Message,
                settings.CachePath ?? "set by RegionFactory",
                settings.BackingPath ?? "set by BackingFactory");
        }
    }

    [LoggerMessage(1, LogLevel.Error,
        "{Cache} can't be opened: {Message} (CachePath: {CachePath}; BackingPath: {BackingPath})")]
    private static partial void NotOpened(
        ILogger logger, string cache, string message, string cachePath, string backingPath);

    /// <summary>
    /// The backing first: no cache file is made for a backing that isn't there. A cache file that may have to be made
    /// isn't opened here.
    /// </summary>
    private static Parts OpenParts(IServiceProvider services, PCacheSettings settings, string name)
    {
        PCacheOptions options = MakeOptions(services, settings);
        bool create = settings.CreateIfMissing && !settings.ReadOnly;
        IBlockDevice backing = settings.BackingFactory is { } make
            ? make(services) ?? throw new InvalidOperationException("PCacheSettings.BackingFactory returned null.")
            : OpenBacking(settings, name);
        try
        {
            var fileOptions = new PmemFileOptions
            {
                Persistence = settings.Persistence,
                PowerSafe = settings.PowerSafe,
                Prefault = settings.Prefault,
                AllowWithoutLock = settings.AllowWithoutLock,
                ReadOnly = settings.ReadOnly,
                ModelPath = create && settings.BackingPath is { } path ? Path.GetFullPath(path) : null,
            };
            return new Parts(
                OpenRegion(services, settings, fileOptions, create, name), backing, options, fileOptions, create);
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

    private static IBlockDevice OpenBacking(PCacheSettings settings, string name)
    {
        string path = settings.BackingPath!;
        try
        {
            return BlockDevice.OpenFile(
                path,
                settings.ReadOnly ? FileAccess.Read : FileAccess.ReadWrite,
                new FileBackingOptions { AllowWithoutLock = settings.AllowWithoutLock });
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileNotFoundException($"{NameOf(name)}: there is no backing '{Path.GetFullPath(path)}' (setting "
                + $"BackingPath). A backing has to exist; it is never made.", path, e);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new UnauthorizedAccessException($"{NameOf(name)}: the backing '{Path.GetFullPath(path)}' (setting "
                + $"BackingPath) can't be opened: {e.Message}", e);
        }
    }

    /// <summary>Null: a file that is opened, or made, with the device.</summary>
    private static PmemRegion? OpenRegion(
        IServiceProvider services, PCacheSettings settings, PmemFileOptions fileOptions, bool create, string name)
    {
        if (settings.RegionFactory is { } make)
        {
            return make(services) ?? throw new InvalidOperationException("PCacheSettings.RegionFactory returned null.");
        }

        if (create)
        {
            return null;
        }

        try
        {
            return PmemFile.Open(settings.CachePath!, fileOptions);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileNotFoundException(
                $"{NameOf(name)}: there is no cache file '{Path.GetFullPath(settings.CachePath!)}' (setting "
                + $"CachePath), and none is to be made (CreateIfMissing, ReadOnly).", settings.CachePath, e);
        }
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
            CompareBackingAfterCrash = s.CompareBackingAfterCrash,
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
            BackingConsistency = s.BackingConsistency,
            CheckpointJournalPath = s.CheckpointJournalPath,
            CheckpointBytes = s.CheckpointBytes,
            CheckpointInterval = s.CheckpointInterval,
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
            : configure(services, options)
                ?? throw new InvalidOperationException("PCacheSettings.ConfigureOptions returned null.");
    }

    private sealed record Parts(
        PmemRegion? Region, IBlockDevice Backing, PCacheOptions Options, PmemFileOptions FileOptions, bool Create)
    {
        public void Close()
        {
            if (!Options.LeaveRegionOpen)
            {
                Region?.Dispose();
            }

            if (!Options.LeaveBackingOpen)
            {
                Backing.Dispose();
            }
        }
    }
}
