// From a region to a device. Keeps true: all that can be found wrong in the arguments is found before the region is
// changed; a call that fails leaves region and backing to the caller.

using PCache.Core.Backing;
using PCache.Core.Engine;
using PCache.Core.Opening;
using PCache.Core.Pmem;

namespace PCache.Core;

/// <content>Caches on regions: create, open.</content>
public sealed partial class PCacheDevice
{
    /// <summary>Formats the region as a new, empty cache and opens it.</summary>
    /// <param name="region">Where the cache goes. Refused when it holds anything, unless
    /// <see cref="PCacheOptions.OverwriteExisting"/> is set.</param>
    /// <param name="backing">What the cache stands in front of; bound to it.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <exception cref="ArgumentNullException">A region or backing is missing.</exception>
    /// <exception cref="ArgumentException">An option is out of range, the region is read-only or too small, or the
    /// backing can't be written.</exception>
    /// <exception cref="PCacheException">The region holds something already.</exception>
    /// <exception cref="IOException">Region or backing failed.</exception>
    public static PCacheDevice Create(PmemRegion region, IBlockDevice backing, PCacheOptions? options = null) =>
        Create(region, backing, options, CancellationToken.None);

    /// <summary>
    /// Opens an existing cache: replays its log, checks everything, and goes on where it was left. Never formats.
    /// </summary>
    /// <param name="region">The region that holds the cache.</param>
    /// <param name="backing">The backing that the cache is bound to.</param>
    /// <param name="options">Settings; null: the defaults.</param>
    /// <exception cref="ArgumentNullException">A region or backing is missing.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or a writable open was asked for of a read-only
    /// region or backing.</exception>
    /// <exception cref="PCacheNotFormattedException">There is no complete cache on the region.</exception>
    /// <exception cref="PCacheCorruptionException">The image is damaged; nothing was changed.</exception>
    /// <exception cref="PCacheBackingMismatchException">The backing isn't the bound one; see
    /// <see cref="PCacheOptions.RebindBacking"/>.</exception>
    /// <exception cref="PCacheLostWritesException">Writes are lost already; see
    /// <see cref="PCacheOptions.AcceptLostWrites"/>.</exception>
    /// <exception cref="PCacheException">The payload-checksum option differs from the image's.</exception>
    /// <exception cref="IOException">Region or backing failed.</exception>
    public static PCacheDevice Open(PmemRegion region, IBlockDevice backing, PCacheOptions? options = null) =>
        Open(region, backing, options, CancellationToken.None);

    /// <summary>
    /// Opens the cache on the region, or creates one where the region holds nothing but zeros. Anything else there is
    /// an error, never formatted.
    /// </summary>
    /// <inheritdoc cref="Open(PmemRegion, IBlockDevice, PCacheOptions?)"/>
    public static PCacheDevice OpenOrCreate(PmemRegion region, IBlockDevice backing, PCacheOptions? options = null) =>
        OpenOrCreate(region, backing, options, CancellationToken.None);

    /// <inheritdoc cref="Create(PmemRegion, IBlockDevice, PCacheOptions?)"/>
    public static PCacheDevice Create(PmemRegion region, Stream backing, PCacheOptions? options = null) =>
        OverStream(backing, options, (device, own) => Create(region, device, own));

    /// <inheritdoc cref="Open(PmemRegion, IBlockDevice, PCacheOptions?)"/>
    public static PCacheDevice Open(PmemRegion region, Stream backing, PCacheOptions? options = null) =>
        OverStream(backing, options, (device, own) => Open(region, device, own));

    /// <inheritdoc cref="OpenOrCreate(PmemRegion, IBlockDevice, PCacheOptions?)"/>
    public static PCacheDevice OpenOrCreate(PmemRegion region, Stream backing, PCacheOptions? options = null) =>
        OverStream(backing, options, (device, own) => OpenOrCreate(region, device, own));

    /// <summary>
    /// As <see cref="Create(PmemRegion, IBlockDevice, PCacheOptions?)"/>, on a thread of the pool. Cancelled before
    /// formatting has begun, it has changed nothing; later, it may leave a new, empty cache.
    /// </summary>
    /// <inheritdoc cref="Create(PmemRegion, IBlockDevice, PCacheOptions?)"/>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Task<PCacheDevice> CreateAsync(PmemRegion region, IBlockDevice backing, PCacheOptions? options = null,
        CancellationToken cancellationToken = default) =>
        Task.Run(() => Create(region, backing, options, cancellationToken), cancellationToken);

    /// <summary>
    /// As <see cref="Open(PmemRegion, IBlockDevice, PCacheOptions?)"/>, on a thread of the pool (a replay is work for
    /// processor and memory). The token ends the replay too; cancelled, the open has changed nothing. Once it makes
    /// the medium ready (see <see cref="OpenStage"/>) it goes on to its end.
    /// </summary>
    /// <inheritdoc cref="Open(PmemRegion, IBlockDevice, PCacheOptions?)"/>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Task<PCacheDevice> OpenAsync(PmemRegion region, IBlockDevice backing, PCacheOptions? options = null,
        CancellationToken cancellationToken = default) =>
        Task.Run(() => Open(region, backing, options, cancellationToken), cancellationToken);

    /// <summary>
    /// As <see cref="OpenOrCreate(PmemRegion, IBlockDevice, PCacheOptions?)"/>, on a thread of the pool; cancelled as
    /// <see cref="OpenAsync"/> or <see cref="CreateAsync"/> is.
    /// </summary>
    /// <inheritdoc cref="Open(PmemRegion, IBlockDevice, PCacheOptions?)"/>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Task<PCacheDevice> OpenOrCreateAsync(
        PmemRegion region, IBlockDevice backing, PCacheOptions? options = null,
        CancellationToken cancellationToken = default) =>
        Task.Run(() => OpenOrCreate(region, backing, options, cancellationToken), cancellationToken);

    private static PCacheDevice Create(
        PmemRegion region, IBlockDevice backing, PCacheOptions? options, CancellationToken cancellationToken)
    {
        PCacheOptions settings = DeviceSetup.Validate(region, backing, options, creating: true);
        cancellationToken.ThrowIfCancellationRequested();
        return OpenValidated(region, backing, settings, creating: true, cancellationToken);
    }

    private static PCacheDevice Open(
        PmemRegion region, IBlockDevice backing, PCacheOptions? options, CancellationToken cancellationToken) =>
        OpenValidated(region, backing, DeviceSetup.Validate(region, backing, options, creating: false), creating: false,
            cancellationToken);

    private static PCacheDevice OpenOrCreate(
        PmemRegion region, IBlockDevice backing, PCacheOptions? options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(region);
        return DeviceSetup.IsBlank(region) && options is not { ReadOnly: true }
            ? Create(region, backing, options, cancellationToken)
            : Open(region, backing, options, cancellationToken);
    }

    private static PCacheDevice OpenValidated(
        PmemRegion region, IBlockDevice backing, PCacheOptions options, bool creating,
        CancellationToken cancellationToken)
    {
        CacheEngine engine = EngineOpening.Open(region, backing, options, creating, cancellationToken);
        var device = new PCacheDevice(engine, backing);
        engine.Start();
        return device;
    }

    private static PCacheDevice OverStream(
        Stream backing, PCacheOptions? options, Func<IBlockDevice, PCacheOptions?, PCacheDevice> open)
    {
        IBlockDevice device = BlockDevice.FromBacking(backing, options is { LeaveBackingOpen: true });
        try
        {
            // The device over the stream is this device's own in any case.
            return open(
                device, options is { LeaveBackingOpen: true } ? options with { LeaveBackingOpen = false } : options);
        }
        catch
        {
            ((CheckedBlockDevice)device).Abandon();
            throw;
        }
    }
}
