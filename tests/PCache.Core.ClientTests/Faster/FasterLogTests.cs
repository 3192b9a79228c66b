using FASTER.core;
using PCache.Core.ClientTests.Support;
using PCache.Core.Tests.Support;

namespace PCache.Core.ClientTests.Faster;

/// <summary>FasterLog on a cache that is smaller than the log.</summary>
public sealed class FasterLogTests
{
    [Fact]
    public async Task Many_writers_and_readers_find_every_record()
    {
        const int Writers = 4;
        const int Records = 2000;
        using var machine = new Machine(8, FasterLogRig.DiskBytes);
        using var rig = new FasterLogRig(machine);
        long[][] addresses = await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            long[] own = new long[Records];
            for (int i = 0; i < Records; i++)
            {
                own[i] = await rig.Log.EnqueueAsync(FasterLogRig.Record(writer, i));
                if (i % 200 == 199)
                {
                    await rig.Log.CommitAsync();
                }
            }

            return own;
        }))).WaitAsync(TestRuns.HangLimit);
        rig.Log.Commit(spinWait: true);
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (int i = writer; i < Records; i += 7)
            {
                (byte[] record, int length) = await rig.Log.ReadAsync(addresses[writer][i]);
                Assert.Equal(FasterLogRig.Record(writer, i), record[..length]);
            }
        }))).WaitAsync(TestRuns.HangLimit);
        Dictionary<int, int> counts = rig.ReadAll();
        Assert.Equal(Writers, counts.Count);
        Assert.All(counts.Values, count => Assert.Equal(Records, count));
        Assert.True(machine.Disk.Calls(DiskOperation.Read) > 0,
            "nothing was read from the backing: the log was to be larger than the cache");
    }

    [Fact]
    public void A_reopened_log_goes_on_where_it_was()
    {
        using var folder = new TempFolder();
        string cachePath = folder["cache"];
        for (int round = 0; round < 3; round++)
        {
            using var device = PCacheDevice.OpenOrCreate(
                Pmem.PmemFile.OpenOrCreate(cachePath, 9 << 20),
                BlockDevice.OpenFile(File.Exists(folder["backing"]) ? folder["backing"]
                    : folder.CreateFile("backing", 64 << 20)),
                new PCacheOptions { SegmentSizeBytes = 1 << 20 });
            using var logDevice = new CachedFasterDevice(device, "log", 1 << 20, 63 << 20);
            using var commits = new DeviceLogCommitCheckpointManager(new CachedFasterFiles(device, 0, 16, 4096),
                new DefaultCheckpointNamingScheme("commits"));
            using var log = new FasterLog(
                new FasterLogSettings
                {
                    LogDevice = logDevice,
                    LogCommitManager = commits,
                    PageSize = 1 << 14,
                    MemorySize = 1 << 16,
                    SegmentSize = 1 << 20
                });
            int found = 0;
            using (FasterLogScanIterator records = log.Scan(0, long.MaxValue))
            {
                while (records.GetNext(out byte[] record, out _, out _))
                {
                    Assert.Equal(FasterLogRig.Record(0, found++), record);
                }
            }

            Assert.Equal(round * 1000, found);
            for (int i = 0; i < 1000; i++)
            {
                log.Enqueue(FasterLogRig.Record(0, found + i));
            }

            log.Commit(spinWait: true);
        }
    }

    [Fact]
    public void Truncation_gives_the_space_of_whole_segments_back()
    {
        using var machine = new Machine(24, FasterLogRig.DiskBytes);
        using var rig = new FasterLogRig(machine);
        long middle = 0;
        for (int i = 0; i < 4000; i++)
        {
            long address = rig.Log.Enqueue(FasterLogRig.Record(0, i));
            middle = i == 3000 ? address : middle;
        }

        rig.Log.Commit(spinWait: true);
        machine.Device.Drain();
        long start = FasterLogRig.FilesBytes;
        int kept = (int)(middle / FasterLogRig.SegmentBytes);
        Assert.True(kept > 4);
        byte[][] before = [.. Enumerable.Range(0, kept + 1).Select(Segment)];
        rig.Log.TruncateUntil(middle);
        rig.Log.Commit(spinWait: true);

        // This disk overwrites what is discarded with garbage.
        Assert.True(
            SpinWait.SpinUntil(
                () =>
                {
                    machine.Device.Drain();
                    return Enumerable.Range(0, kept)
                        .All(segment => !before[segment].AsSpan().SequenceEqual(Segment(segment)));
                },
                TestRuns.HangLimit),
            "the backing wasn't told of all truncated segments");
        Assert.Equal(before[kept], Segment(kept));
        Assert.Equal(middle, rig.Log.BeginAddress);
        Assert.Equal(4000, rig.ReadAll(firstIndex: 3000)[0]);

        byte[] Segment(int segment) =>
            machine.Disk.Peek(start + (segment * FasterLogRig.SegmentBytes), (int)FasterLogRig.SegmentBytes);
    }

    [Fact]
    public async Task A_failing_cache_fails_the_commit_and_a_healed_one_goes_on()
    {
        using var machine = new Machine(8, FasterLogRig.DiskBytes);
        using var rig = new FasterLogRig(machine, tolerateFailures: true);
        rig.Log.Enqueue(FasterLogRig.Record(0, 0));
        await rig.Log.CommitAsync();
        rig.Log.Enqueue(FasterLogRig.Record(0, 1));
        machine.Memory.DrainError = new IOException("the memory is gone");
        await Assert.ThrowsAsync<CommitFailureException>(async () =>
            await rig.Log.CommitAsync().AsTask().WaitAsync(TestRuns.HangLimit));
        Assert.IsType<IOException>(rig.LogDevice.LastError);
        machine.Memory.DrainError = null;
        rig.Log.Enqueue(FasterLogRig.Record(0, 2));
        await rig.Log.CommitAsync().AsTask().WaitAsync(TestRuns.HangLimit);
        Assert.Equal(3, rig.ReadAll()[0]);
    }

    [Fact]
    public void A_log_that_outgrows_its_range_is_told_so_and_nothing_beyond_is_touched()
    {
        using var machine = new Machine(8, 1 << 20);
        machine.Device.Write((1 << 20) - 512, Enumerable.Repeat((byte)7, 512).ToArray());
        using var device = new CachedFasterDevice(machine.Device, "log", 0, (1 << 20) - 512);
        device.Initialize(1 << 19);
        Assert.Equal(0u, Call(device, write: true, 1, (1 << 19) - 1024, 512));
        Assert.NotEqual(0u, Call(device, write: true, 1, (1 << 19) - 512, 512));
        Assert.NotEqual(0u, Call(device, write: true, 2, 0, 512));
        Assert.NotEqual(0u, Call(device, write: false, int.MaxValue, ulong.MaxValue, 512));
        Assert.IsType<IOException>(device.LastError);
        byte[] last = new byte[512];
        Assert.Equal(512, machine.Device.Read((1 << 20) - 512, last));
        Assert.All(last, value => Assert.Equal(7, value));
    }

    [Fact]
    public void Callbacks_may_issue_the_next_call_without_end()
    {
        using var machine = new Machine(8, 1 << 20);
        using var device = new CachedFasterDevice(machine.Device, "log", 0, 1 << 20);
        device.Initialize(-1);
        using var done = new ManualResetEventSlim();
        byte[] buffer = GC.AllocateArray<byte>(512, pinned: true);
        nint address = System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(buffer, 0);
        using var depth = new ThreadLocal<int>();
        int deepest = 0;
        int left = 50_000;
        Next(0, 0, this);
        Assert.True(done.Wait(TestRuns.HangLimit), "the chain of callbacks ended early");
        Assert.Equal(1, deepest);

        void Next(uint errorCode, uint length, object context)
        {
            Assert.Equal(0u, errorCode);
            if (--left == 0)
            {
                done.Set();
                return;
            }

            depth.Value++;
            deepest = Math.Max(deepest, depth.Value);
            if (left % 2 == 0)
            {
                device.WriteAsync(address, 0, 0, 512, Next, context);
            }
            else
            {
                device.ReadAsync(0, 0, address, 512, Next, context);
            }

            depth.Value--;
        }
    }

    private static uint Call(CachedFasterDevice device, bool write, int segment, ulong offset, uint length)
    {
        using var done = new ManualResetEventSlim();
        byte[] buffer = GC.AllocateArray<byte>((int)length, pinned: true);
        nint address = System.Runtime.InteropServices.Marshal.UnsafeAddrOfPinnedArrayElement(buffer, 0);
        uint result = uint.MaxValue;
        DeviceIOCompletionCallback callback = (errorCode, bytes, _) =>
        {
            result = errorCode;
            Assert.Equal(errorCode == 0 ? length : 0, bytes);
            done.Set();
        };
        if (write)
        {
            device.WriteAsync(address, segment, offset, length, callback, device);
        }
        else
        {
            device.ReadAsync(segment, offset, address, length, callback, device);
        }

        Assert.True(done.Wait(TestRuns.HangLimit), "no callback");
        return result;
    }
}
