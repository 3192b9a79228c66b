using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Facade;

/// <summary>Batches that are written as a whole: what callers see of them, of limits and of failures.</summary>
public sealed class AtomicBatchTests
{
    private const int Sector = Patterns.Sector;
    private const long Stripe = 4L << 20;
    private const WriteDurability Normal = WriteDurability.Normal;
    private const WriteDurability Forced = WriteDurability.ForceUnitAccess;
    private const BatchAtomicity Whole = BatchAtomicity.All;

    [Fact]
    public void All_of_it_is_written_and_of_overlapping_writes_the_last_wins()
    {
        byte[] model = Patterns.Make(0, 1 << 20, 1);
        using var cache = new SmallCache(segments: 64, content: (byte[])model.Clone());
        cache.Device.Write(5000, model.AsSpan(5000, 3000)); // some of it is cached, some is not
        BlockWrite[] writes =
        [
            new(100, Fill(1, 50)), new(4096, Fill(2, 8192)), new(6000, Fill(3, 777)),
            new(300_000, Fill(4, 300_000)), new(0, ReadOnlyMemory<byte>.Empty), new(120, Fill(5, 10)),
        ];
        foreach (BlockWrite write in writes)
        {
            write.Data.Span.CopyTo(model.AsSpan((int)write.Offset));
        }

        cache.Device.WriteBatch(writes, Normal, Whole);
        AssertHolds(model, cache.Device);
        cache.Reopen();
        AssertHolds(model, cache.Device);
        cache.Device.Drain();
        Assert.Equal(model, cache.Backing.Peek(0, model.Length));
    }

    [Fact]
    public async Task It_is_the_same_for_callers_that_wait_without_a_thread()
    {
        using var cache = new SmallCache();
        byte[] model = new byte[1 << 20];
        Fill(7, 10_000).Span.CopyTo(model.AsSpan(333));
        await cache.Device.WriteBatchAsync(new BlockWrite[] { new(333, Fill(7, 10_000)) }, Forced, Whole);
        AssertHolds(model, cache.Device);
        using PCacheDevice killed = cache.OpenKilledCopy();
        AssertHolds(model, killed);
        await cache.Device.WriteBatchAsync(new BlockWrite[] { new(0, Fill(8, 512)) }, Normal, BatchAtomicity.EachSector);
        Fill(8, 512).Span.CopyTo(model);
        AssertHolds(model, cache.Device);
    }

    [Fact]
    public void What_an_open_scope_has_written_is_seen_by_its_own_reads_only()
    {
        byte[] before = Patterns.Make(0, 1 << 20, 1);
        using var cache = new SmallCache(content: (byte[])before.Clone());
        byte[] model = (byte[])before.Clone();
        using (AtomicBatch batch = cache.Device.BeginAtomic())
        {
            batch.Write(1000, Fill(1, 3000).Span);
            batch.Write(1100, Fill(2, 10).Span);
            Fill(1, 3000).Span.CopyTo(model.AsSpan(1000));
            Fill(2, 10).Span.CopyTo(model.AsSpan(1100));
            byte[] read = new byte[8000];
            Assert.Equal(8000, batch.Read(0, read));
            Assert.Equal(model[..8000], read);
            AssertHolds(before, cache.Device);
        }

        AssertHolds(before, cache.Device);
        AtomicBatch committed = cache.Device.BeginAtomic();
        committed.Write(1000, Fill(1, 3000).Span);
        committed.Write(1100, Fill(2, 10).Span);
        Assert.Equal(3584, committed.LengthBytes); // the sectors from 512 to 4096
        committed.Commit();
        AssertHolds(model, cache.Device);
        Assert.Throws<ObjectDisposedException>(() => committed.Write(0, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => committed.Read(0, new byte[1]));
        Assert.Throws<ObjectDisposedException>(() => committed.Commit());
        committed.Dispose();
    }

    [Fact]
    public void A_device_that_can_grow_grows_with_the_commit()
    {
        using var cache = new SmallCache(backingBytes: 1000, canResize: true);
        using AtomicBatch batch = cache.Device.BeginAtomic();
        batch.Write(900, Fill(1, 200).Span);
        batch.Write(5000, Fill(2, 100).Span);
        byte[] read = new byte[6000];
        Assert.Equal(5100, batch.Read(0, read));
        Assert.Equal(1000, cache.Device.Length);
        batch.Commit();
        Assert.Equal(5100, cache.Device.Length);
        byte[] model = new byte[5100];
        Fill(1, 200).Span.CopyTo(model.AsSpan(900));
        Fill(2, 100).Span.CopyTo(model.AsSpan(5000));
        Assert.Equal(model, read[..5100]);
        AssertHolds(model, cache.Device);
    }

    [Fact]
    public void Too_large_a_batch_is_refused_before_anything_changes_and_the_error_names_the_limit()
    {
        using var cache = new SmallCache(backingBytes: 64 << 20);
        PCacheStatus status = cache.Status;
        Assert.InRange(status.AtomicBatchBytes, 16 * Rig.SegmentBytes / 8, 16 * Rig.SegmentBytes / 4);
        using AtomicBatch batch = cache.Device.BeginAtomic();
        batch.Write(0, new byte[status.AtomicBatchBytes]);
        var bytes = Assert.Throws<ArgumentException>(() => batch.Write(status.AtomicBatchBytes, new byte[1]));
        Assert.Contains(Text(status.AtomicBatchBytes), bytes.Message, StringComparison.Ordinal);
        batch.Write(100, Fill(1, 100).Span); // what is written anyway adds nothing
        batch.Commit();

        using var large = new SmallCache(segments: 200, backingBytes: 64 << 20);
        using AtomicBatch scattered = large.Device.BeginAtomic();
        for (int i = 0; i <= large.Status.AtomicBatchRanges; i++)
        {
            scattered.Write(i * 1024L, Fill(1, Sector).Span);
        }

        var ranges = Assert.Throws<ArgumentException>(() => scattered.Commit());
        Assert.Contains(Text(large.Status.AtomicBatchRanges), ranges.Message, StringComparison.Ordinal);
        Assert.Equal(0, large.Status.DirtyKeys);
    }

    [Fact]
    public void Bad_arguments_are_refused()
    {
        using var cache = new SmallCache();
        using AtomicBatch batch = cache.Device.BeginAtomic();
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Write(-1, new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Write((1 << 20) - 1, new byte[2]));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Read(-1, new byte[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => batch.Commit((WriteDurability)77));
        Assert.Throws<ArgumentOutOfRangeException>(() => cache.Device.WriteBatch([], Normal, (BatchAtomicity)2));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => cache.Device.WriteBatch([new(0, Fill(1, 512)), new(1 << 20, Fill(1, 1))], Normal, Whole));
        Assert.Equal(0, cache.Status.DirtyKeys);
        batch.Commit(); // the scope is as before
        cache.Device.Dispose();
        Assert.Throws<ObjectDisposedException>(() => cache.Device.BeginAtomic());
    }

    [Fact]
    public void A_read_only_device_refuses()
    {
        using var cache = new SmallCache();
        cache.Device.Dispose();
        using PCacheDevice device = PCacheDevice.Open(
            cache.Region, cache.Backing.AfterKill(), cache.Options with { ReadOnly = true });
        Assert.Throws<NotSupportedException>(() => device.BeginAtomic());
        Assert.Throws<NotSupportedException>(() => device.WriteBatch([], Normal, Whole));
        Assert.Equal(0, device.GetStatus().AtomicBatchBytes);
    }

    [Fact]
    public void The_largest_batch_finds_room_in_a_full_cache_again_and_again()
    {
        using var cache = new SmallCache(backingBytes: 64 << 20);
        int bytes = (int)cache.Status.AtomicBatchBytes;
        for (int i = 1; i <= 12; i++)
        {
            for (int j = 0; j < 8; j++)
            {
                cache.Device.Write(Stripe + (j * 65_536), Fill(i, 65_536).Span);
            }

            cache.Device.WriteBatch([new(2 * Stripe, Fill(i, bytes))], Normal, Whole);
            byte[] read = new byte[bytes];
            Assert.Equal(bytes, cache.Device.Read(2 * Stripe, read));
            Assert.Equal(Fill(i, bytes).ToArray(), read);
        }

        Assert.True(cache.Status.SpaceWaits > 0);
        IntegrityOfRooms(cache);
    }

    [Fact]
    public void Without_room_nothing_of_it_is_written_and_all_room_comes_back()
    {
        using var cache = new SmallCache(backingBytes: 64 << 20);
        cache.Device.PauseWriteback();
        int bytes = (int)cache.Status.AtomicBatchBytes - 512;
        Exception? full = null;
        int written = 0;
        for (; full is null; written++)
        {
            BlockWrite[] writes =
                [new(written * Stripe, Fill(written + 1, bytes)), new((written * Stripe) + (2 << 20), Fill(1, 512))];
            full = Record.Exception(() => cache.Device.WriteBatch(writes, Normal, Whole));
        }

        Assert.IsType<PCacheFullException>(full);
        byte[] read = new byte[bytes];
        _ = cache.Device.Read((written - 1) * Stripe, read);
        Assert.False(read.AsSpan().ContainsAnyExcept((byte)0));
        cache.Device.ResumeWriteback();
        cache.Device.WriteBatch([new((written - 1) * Stripe, Fill(99, bytes))], Normal, Whole);
        _ = cache.Device.Read((written - 1) * Stripe, read);
        Assert.Equal(Fill(99, bytes).ToArray(), read);
        IntegrityOfRooms(cache);
    }

    [Fact]
    public async Task A_cancelled_batch_writes_nothing()
    {
        using var cache = new SmallCache();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        using AtomicBatch batch = cache.Device.BeginAtomic();
        batch.Write(0, Fill(1, 512).Span);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => batch.CommitAsync(Normal, cancelled.Token).AsTask());
        AssertHolds(new byte[1 << 20], cache.Device);
    }

    /// <summary>
    /// Ranges of one stripe, and of two stripes that meet at the boundary: a read that spans them sees one batch.
    /// </summary>
    [Fact]
    public void No_reader_ever_sees_a_part()
    {
        using var cache = new SmallCache(segments: 64, backingBytes: 4 * Stripe, with: options => options with
        {
            Maintenance = MaintenanceMode.OwnThread,
            TimeProvider = TimeProvider.System,
        });
        bool stop = false;
        int[] reads = new int[2];
        var failures = new System.Collections.Concurrent.ConcurrentQueue<Exception>();
        Thread[] readers = [.. Enumerable.Range(0, reads.Length).Select(number => new Thread(() =>
        {
            byte[] buffer = new byte[16 << 10];
            while (!Volatile.Read(ref stop) && failures.IsEmpty)
            {
                long offset = reads[number] % 2 == 0 ? Stripe - (8 << 10) : 100 << 10;
                if (Record.Exception(() => ReadOne(cache.Device, number == 0, offset, buffer)) is { } failure)
                {
                    failures.Enqueue(failure);
                }

                Interlocked.Increment(ref reads[number]);
            }
        }) { IsBackground = true })];
        Array.ForEach(readers, reader => reader.Start());
        long begun = Environment.TickCount64;
        for (int batch = 1; failures.IsEmpty && (batch < 500 || reads.Min() < 200); batch++)
        {
            Assert.True(Environment.TickCount64 - begun < TestRuns.HangLimit.TotalMilliseconds, "nobody gets on");
            ReadOnlyMemory<byte> bytes = Fill(batch % 251, 4 << 10);
            var writes = new List<BlockWrite>();
            for (int i = 0; i < 4; i++)
            {
                writes.Add(new BlockWrite(Stripe - (8 << 10) + (i * 4096), bytes));
                writes.Add(new BlockWrite((100 << 10) + (i * 4096), bytes));
            }

            cache.Device.WriteBatch([.. writes], Normal, Whole);
        }

        Volatile.Write(ref stop, true);
        Array.ForEach(readers, reader => reader.Join());
        Assert.Empty(failures);
    }

    private static void ReadOne(PCacheDevice device, bool async, long offset, byte[] buffer)
    {
        int read = async
            ? device.ReadAsync(offset, buffer).AsTask().GetAwaiter().GetResult()
            : device.Read(offset, buffer);
        Assert.Equal(buffer.Length, read);
        Assert.False(
            buffer.AsSpan().ContainsAnyExcept(buffer[0]), $"a read at {offset} has parts of several batches");
    }

    private static string Text(long value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);

    private static ReadOnlyMemory<byte> Fill(int value, int length)
    {
        byte[] bytes = new byte[length];
        bytes.AsSpan().Fill((byte)value);
        return bytes;
    }

    private static void AssertHolds(byte[] model, PCacheDevice device)
    {
        byte[] read = new byte[model.Length];
        Assert.Equal(read.Length, device.Read(0, read));
        Assert.Equal(model, read);
    }

    /// <summary>After everything is written back and collected, no segment is held by room that nobody owns.</summary>
    private static void IntegrityOfRooms(SmallCache cache)
    {
        cache.Device.Drain();
        PCacheStatus status = cache.Status;
        for (int i = 0; i < 4; i++)
        {
            cache.Device.WriteBatch([new(0, Fill(i, (int)status.AtomicBatchBytes))], Normal, Whole);
            cache.Device.Drain();
        }

        Assert.True(cache.Status.IsClean);
    }
}
