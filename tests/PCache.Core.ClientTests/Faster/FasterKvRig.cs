using FASTER.core;

namespace PCache.Core.ClientTests.Faster;

/// <summary>
/// A FasterKV that lies on a cache wholly: log, checkpoints, indexes. Keeps true: its log holds 64 KiB in memory, so
/// nearly all reads come from the device.
/// </summary>
internal sealed class FasterKvRig : IDisposable
{
    public const long DiskBytes = 512L << 20;

    private const int FileCount = 24;

    // The overflow buckets of FASTER's index are read in pages of 4 MiB. A file that is too small fails that, and
    // FASTER goes on without them.
    private const long FileBytes = 12 << 20;
    private const long LogStart = 320L << 20;

    public FasterKvRig(IBlockDevice device, bool recover = false, long fileBytes = FileBytes)
    {
        LogDevice = new CachedFasterDevice(device, "log", LogStart, DiskBytes - LogStart);
        Files = new CachedFasterFiles(device, 0, FileCount, fileBytes);
        Checkpoints = new DeviceLogCommitCheckpointManager(
            Files, new DefaultCheckpointNamingScheme("checkpoints"), removeOutdated: true);
        Store = new FasterKV<long, Value>(new FasterKVSettings<long, Value>
        {
            LogDevice = LogDevice,
            CheckpointManager = Checkpoints,
            IndexSize = 1 << 16,
            PageSize = 1 << 14,
            MemorySize = 1 << 16,
            SegmentSize = 1 << 19,
        });
        if (recover)
        {
            _ = Store.Recover(); // throws where there is nothing; the settings' TryRecoverLatest would begin anew
        }
    }

    public CachedFasterDevice LogDevice { get; }

    public CachedFasterFiles Files { get; }

    public DeviceLogCommitCheckpointManager Checkpoints { get; }

    public FasterKV<long, Value> Store { get; }

    public ClientSession<long, Value, Value, Value, Empty, IFunctions<long, Value, Value, Value,
        Empty>> NewSession() => Store.NewSession(new SimpleFunctions<long, Value>());

    public void Write(long from, long to, long version)
    {
        using var session = NewSession();
        for (long key = from; key < to; key++)
        {
            Value value = Value.Of(key, version);
            if (session.Upsert(ref key, ref value).IsPending)
            {
                session.CompletePending(wait: true);
            }
        }
    }

    /// <summary>
    /// The versions of the keys from..to, in order; null where a key isn't there. Each value has to fit its key and
    /// version.
    /// </summary>
    public long?[] Read(long from, long to, long step = 1)
    {
        using var session = NewSession();
        var found = new List<long?>();
        for (long key = from; key < to; key += step)
        {
            Value value = default;
            Status status = session.Read(ref key, ref value);
            if (status.IsPending)
            {
                Assert.True(session.CompletePendingWithOutputs(out var outputs, wait: true));
                using (outputs)
                {
                    Assert.True(outputs.Next());
                    status = outputs.Current.Status;
                    value = outputs.Current.Output;
                    Assert.False(outputs.Next());
                }
            }

            if (status.Found)
            {
                Assert.Equal(Value.Of(key, value.Version), value);
            }

            found.Add(status.Found ? value.Version : null);
        }

        return [.. found];
    }

    /// <summary>Takes a checkpoint of everything; when it returns, the checkpoint is complete.</summary>
    public async Task CheckpointAsync(CheckpointType type)
    {
        (bool success, _) = await Store.TakeFullCheckpointAsync(type);
        Assert.True(success);
    }

    public void Dispose()
    {
        Store.Dispose();
        Checkpoints.Dispose();
        LogDevice.Dispose();
    }

    /// <summary>64 bytes that say whose they are.</summary>
    internal readonly record struct Value(long Key, long Version, long C, long D, long E, long F, long G, long H)
    {
        public static Value Of(long key, long version) =>
            new(key, version, key * 31, version * 17, key ^ version, key + version, ~key, key * version);
    }
}
