using FASTER.core;
using PCache.Core.ClientTests.Support;

namespace PCache.Core.ClientTests.Faster;

/// <summary>
/// A FasterLog that lies on a cache wholly: records and commits. Keeps true: it holds 64 KiB in memory, so nearly all
/// reads come from the device.
/// </summary>
internal sealed class FasterLogRig : IDisposable
{
    public const long DiskBytes = 96L << 20;
    public const long SegmentBytes = 1 << 18;
    public const long FilesBytes = 1 << 20;

    public FasterLogRig(Machine machine, bool tolerateFailures = false)
    {
        Machine = machine;
        LogDevice = new CachedFasterDevice(machine.Device, "log", FilesBytes, DiskBytes - FilesBytes);
        Files = new CachedFasterFiles(machine.Device, 0, 16, 4096);
        Commits = new DeviceLogCommitCheckpointManager(Files, new DefaultCheckpointNamingScheme("commits"));
        Log = new FasterLog(new FasterLogSettings
        {
            LogDevice = LogDevice,
            LogCommitManager = Commits,
            PageSize = 1 << 14,
            MemorySize = 1 << 16,
            SegmentSize = SegmentBytes,
            LogChecksum = LogChecksumType.PerEntry,
            TolerateDeviceFailure = tolerateFailures,
        });
    }

    public Machine Machine { get; }

    public CachedFasterDevice LogDevice { get; }

    public CachedFasterFiles Files { get; }

    public DeviceLogCommitCheckpointManager Commits { get; }

    public FasterLog Log { get; }

    /// <summary>Record i of a writer, with content that only this record has.</summary>
    public static byte[] Record(int writer, int index)
    {
        byte[] record = new byte[8 + (((index * 7919) + (writer * 104_729)) % 3000)];
        new Random((writer * 1_000_003) + index).NextBytes(record);
        BitConverter.TryWriteBytes(record, writer);
        BitConverter.TryWriteBytes(record.AsSpan(4), index);
        return record;
    }

    /// <summary>
    /// Reads all that is committed, checks every record, and returns how many there are of each writer. Those of one
    /// writer have to be in order, without a gap.
    /// </summary>
    public Dictionary<int, int> ReadAll(int firstIndex = 0)
    {
        Dictionary<int, int> counts = [];
        using FasterLogScanIterator records = Log.Scan(Log.BeginAddress, Log.CommittedUntilAddress);
        while (records.GetNext(out byte[] record, out _, out _))
        {
            int writer = BitConverter.ToInt32(record);
            int expected = counts.GetValueOrDefault(writer, firstIndex);
            Assert.Equal(Record(writer, expected), record);
            counts[writer] = expected + 1;
        }

        return counts;
    }

    public void Dispose()
    {
        Log.Dispose();
        Commits.Dispose();
        LogDevice.Dispose();
    }
}
