using System.Text;
using FASTER.core;
using PCache.Core.Pmem;

namespace PCache.Core.ClientTests.Faster;

/// <summary>The example of docs/clients.md; that the page shows just this is checked where all pages are.</summary>
public sealed class ClientsPageTests
{
    [Fact]
    public void The_example_of_the_page_runs()
    {
        using PmemRegion region = PmemMemory.Allocate(16 << 20);
        var options = new PCacheOptions { SegmentSizeBytes = 1 << 20, LeaveRegionOpen = true };
        using PCacheDevice cache = PCacheDevice.Create(region, BlockDevice.FromMemory(64 << 20), options);

        // example: faster
        using var logDevice = new CachedFasterDevice(cache, "log", start: 1 << 20,
            lengthBytes: cache.Length - (1 << 20));
        using var commits = new DeviceLogCommitCheckpointManager(
            new CachedFasterFiles(cache, start: 0, fileCount: 16, fileBytes: 4096),
            new DefaultCheckpointNamingScheme("commits"));
        using var log = new FasterLog(new FasterLogSettings { LogDevice = logDevice, LogCommitManager = commits });
        // end of example

        long at = log.Enqueue(Encoding.UTF8.GetBytes("kept"));
        log.Commit(spinWait: true);
        using FasterLogScanIterator records = log.Scan(at, log.CommittedUntilAddress);
        Assert.True(records.GetNext(out byte[] record, out int length, out _));
        Assert.Equal("kept", Encoding.UTF8.GetString(record, 0, length));
    }
}
