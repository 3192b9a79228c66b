using PCache.Core.Backing;
using PCache.Core.Pmem;
using PCache.Core.Writeback;

namespace PCache.Core.Tests.Writeback;

/// <summary>Runs go to a synchronous backing: one by one, or by several threads when its writes wait.</summary>
public sealed class BackingWriterTests : IDisposable
{
    private const int Size = 4096;
    private const int Runs = 64;
    private readonly PmemRegion _region = PmemMemory.Allocate(Runs * Size);
    private readonly WritebackPlan _plan = new();
    private readonly SlowDevice _device = new(2 * Runs * Size);

    public BackingWriterTests()
    {
        byte[] payload = new byte[Size];
        for (int i = 0; i < Runs; i++)
        {
            // Every other page, so that none are merged; the source runs the other way.
            payload.AsSpan().Fill((byte)(i + 1));
            _region.Write((Runs - 1 - i) * Size, payload);
            _plan.Add(2 * i * Size, Size, (Runs - 1 - i) * Size);
        }

        _plan.Build(1, 2 * Runs * Size, BackingWriter.MaxRunBytes);
        Assert.Equal(Runs, _plan.Runs.Length);
    }

    public void Dispose()
    {
        _device.Dispose();
        _region.Dispose();
    }

    [Theory]
    [InlineData(MaintenanceMode.Manual, 8)]
    [InlineData(MaintenanceMode.OwnThread, 1)]
    public void One_at_a_time_and_in_order_on_this_thread(MaintenanceMode mode, int concurrency)
    {
        _device.Delay = TimeSpan.FromMilliseconds(1);
        Assert.True(Writer(mode, concurrency).WriteRuns(_plan, _ => true, CancellationToken.None));
        AssertWritten(Runs);
        Assert.Equal(Enumerable.Range(0, Runs).Select(i => 2L * i * Size), _device.Offsets);
        Assert.Equal([Environment.CurrentManagedThreadId], _device.Threads.Distinct());
    }

    [Fact]
    public void Writes_that_wait_are_made_by_several_threads()
    {
        // The first write to come alone waits until another one has come, so that the test ends only when there are two
        // at once.
        _device.Meeting = new CountdownEvent(2);
        _device.Delay = TimeSpan.FromMilliseconds(1);
        Assert.True(Writer(MaintenanceMode.OwnThread, 3).WriteRuns(_plan, _ => true, CancellationToken.None));
        AssertWritten(Runs);
        Assert.True(_device.Meeting.IsSet, "never two writes at once");
        Assert.InRange(_device.MostAtOnce, 2, 3);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(40)]
    public void What_is_refused_is_not_written_and_nothing_behind_it(int refused)
    {
        _device.Delay = TimeSpan.FromMilliseconds(1);
        Assert.False(Writer(MaintenanceMode.OwnThread, 4)
            .WriteRuns(_plan, run => run.Offset < 2 * refused * Size, CancellationToken.None));
        Assert.Equal(0, _device.InFlight);
        AssertWritten(refused);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public void A_failure_is_told_when_nothing_is_in_flight_any_more(int concurrency)
    {
        _device.Delay = TimeSpan.FromMilliseconds(1);
        for (int failing = 0; failing < Runs; failing += 21)
        {
            _device.FailAt = 2 * failing * Size;
            BackingWriter writer = Writer(MaintenanceMode.OwnThread, concurrency);
            IOException error = Assert.Throws<IOException>(() =>
                writer.WriteRuns(_plan, _ => true, CancellationToken.None));
            Assert.Equal("planned", error.Message);
            Assert.Equal(0, _device.InFlight);
            _device.FailAt = -1;
            Assert.True(writer.WriteRuns(_plan, _ => true, CancellationToken.None));
            AssertWritten(Runs);
        }
    }

    [Fact]
    public void Stopping_ends_it_between_two_writes()
    {
        using var stop = new CancellationTokenSource();
        _device.Delay = TimeSpan.FromMilliseconds(1);
        int begun = 0;
        bool Admit(WritebackRun run)
        {
            if (++begun == 20)
            {
                stop.Cancel();
            }

            return true;
        }

        Assert.ThrowsAny<OperationCanceledException>(() =>
            Writer(MaintenanceMode.OwnThread, 4).WriteRuns(_plan, Admit, stop.Token));
        Assert.Equal(0, _device.InFlight);
        AssertWritten(20);
    }

    private BackingWriter Writer(MaintenanceMode mode, int concurrency) =>
        new(_region, _device, new PCacheOptions { Maintenance = mode, WritebackConcurrency = concurrency }, () =>
            _device.Length);

    private void AssertWritten(int runs)
    {
        for (int i = 0; i < Runs; i++)
        {
            ReadOnlySpan<byte> page = _device.Bytes.AsSpan(2 * i * Size, 2 * Size);
            Assert.Equal(-1, page[..Size].IndexOfAnyExcept((byte)(i < runs ? i + 1 : 0)));
            Assert.Equal(-1, page[Size..].IndexOfAnyExcept((byte)0));
        }
    }

    private sealed class SlowDevice(int lengthBytes)
        : CheckedBlockDevice(blockSize: 1, canWrite: true, canResize: false)
    {
        private readonly Lock _lock = new();

        public byte[] Bytes { get; } = new byte[lengthBytes];

        public List<long> Offsets { get; } = [];

        public List<int> Threads { get; } = [];

        public TimeSpan Delay { get; set; }

        public CountdownEvent? Meeting { get; set; }

        public long FailAt { get; set; } = -1;

        public int InFlight { get; private set; }

        public int MostAtOnce { get; private set; }

        public override long Length => Bytes.Length;

        internal override bool PrefersSynchronousWrites => true;

        protected override void WriteAt(long offset, ReadOnlySpan<byte> buffer)
        {
            bool meets;
            lock (_lock)
            {
                Offsets.Add(offset);
                Threads.Add(Environment.CurrentManagedThreadId);
                InFlight++;
                MostAtOnce = Math.Max(MostAtOnce, InFlight);
                meets = Meeting is { IsSet: false } && Offsets.Count > 8;
            }

            Thread.Sleep(Delay);
            if (meets && Meeting is { IsSet: false })
            {
                Meeting.Signal();
                Meeting.Wait(Support.TestRuns.HangLimit);
            }

            buffer.CopyTo(Bytes.AsSpan((int)offset));
            lock (_lock)
            {
                InFlight--;
            }

            if (offset == FailAt)
            {
                throw new IOException("planned");
            }
        }

        protected override ValueTask WriteAtAsync(long offset, ReadOnlyMemory<byte> buffer,
            CancellationToken cancellationToken) =>
            throw new InvalidOperationException("synchronous writes only");

        protected override int ReadAt(long offset, Span<byte> buffer) =>
            throw new InvalidOperationException("nothing to read");

        protected override ValueTask<int> ReadAtAsync(long offset, Memory<byte> buffer,
            CancellationToken cancellationToken) =>
            throw new InvalidOperationException("nothing to read");

        protected override void FlushAll()
        {
        }

        protected override ValueTask FlushAllAsync(CancellationToken cancellationToken) => default;

        protected override void ResizeTo(long lengthBytes) => throw new NotSupportedException();

        protected override ValueTask ResizeToAsync(long lengthBytes, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        protected override void Close()
        {
        }

        protected override ValueTask CloseAsync() => default;
    }
}
