using PCache.Core.Ksets;
using PCache.Core.Layout;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Segments;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Segments;

/// <summary>
/// Room that data heads take ahead: none of it is lost, and no writer goes without because another head has it in hand.
/// </summary>
public sealed class DataHeadsTests
{
    private const int Segments = 64;
    private const int Sector = 512;

    [Fact]
    public void Room_that_other_heads_have_in_hand_is_used_before_anybody_is_refused()
    {
        // Ahead of time each head takes as much as there is, so the first ones have nearly all of it in hand.
        using var parts = new Parts(new Room { Available = 100, Greedy = true });
        for (int i = 0; i < 100; i++)
        {
            Assert.True(parts.Heads.TryTake(Sector, out PayloadRoom room),
                $"key {i} of 100: {parts.Keys.Available} are free");
            Assert.Equal(Sector, room.LengthBytes);
        }

        Assert.False(parts.Heads.TryTake(Sector, out _));
        Assert.False(parts.Heads.ReturnReserved());
        Assert.Equal(0, parts.Keys.Available);
    }

    [Fact]
    public void Room_that_another_writer_has_just_brought_back_is_found()
    {
        // Between the failed try and this thread's look at what heads have in hand, another thread has returned it all.
        using var parts = new Parts(new Room { Available = 40, Greedy = true });
        Assert.True(parts.Heads.TryTake(Sector, out _));
        parts.Keys.Greedy = false;
        parts.Keys.Refused = () => parts.Heads.ReturnReserved();
        for (int i = 1; i < 40; i++)
        {
            Assert.True(parts.Heads.TryTakeZeros(Sector, out _), $"key {i} of 40: {parts.Keys.Available} are free");
        }

        Assert.False(parts.Heads.TryTakeZeros(Sector, out _));
    }

    [Fact]
    public async Task What_threads_take_and_give_back_adds_up()
    {
        const int Threads = 6;
        using var parts = new Parts(new Room { Available = 200, Greedy = true }, Chance.Machine);
        int[] held = new int[Segments];
        Task[] tasks = [.. Enumerable.Range(0, Threads)
            .Select(seed => Eventually.Thread(() => TakeAndReturn(parts.Heads, new Random(seed), held)))];
        await Eventually.Completes(Task.WhenAll(tasks), "taking and giving back");
        foreach (int open in parts.Heads.OpenSegments)
        {
            held[open]++;
        }

        Assert.Equal(200 - held.Sum() + parts.Heads.OpenSegments.Count(), parts.Keys.Available);
        Assert.All(Enumerable.Range(0, Segments), segment =>
            Assert.Equal(held[segment], parts.Table.References(segment)));
    }

    [Fact]
    public void A_full_log_has_no_room_left_that_some_head_reserved()
    {
        using var cache = new SmallCache(segments: Segments, backingBytes: 8 << 20,
            with: options => MachineClock.On(options with { LogReserveSegments = 1, StartWritebackPaused = true },
            new Machine { Chance = Chance.FromSeed(3, 8) }));
        int written = 0;
        Assert.Throws<PCacheFullException>(() =>
        {
            // Zeros share their payload: it is the log that gets full.
            while (written < 1_000_000)
            {
                cache.Device.WriteZeroes(written % 16_384 * Sector, Sector);
                written++;
            }
        });
        Assert.False(cache.Device.Internals.Writable.Writer.Heads.ReturnReserved(),
            "a write was refused while there was room in hand");
        Assert.InRange(cache.Device.Internals.Writable.Writer.Log.Room.AvailableBytes, 0,
            (MediaConstants.MaxKeysPerKset + 1) * LogRoom.WorstCaseKeyBytes);
        IntegrityAudit.Check(cache.Device, cache.Region);
        Assert.Equal(written, cache.Status.DirtyKeys);
    }

    [Fact]
    public async Task Many_threads_on_a_tiny_log_lose_nothing_and_all_get_on()
    {
        const int Threads = 6;
        const int SectorsEach = 300;
        const int Bytes = Threads * SectorsEach * Sector;
        byte[] expected = new byte[Bytes];
        using PmemRegion region = PmemMemory.Allocate(Rig.RegionLength(16));
        using SimulatedDisk backing = Disks.Make(Bytes);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            LogReserveSegments = 1,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
            SpaceTimeout = TestRuns.HangLimit,
        };
        using (PCacheDevice device = PCacheDevice.Create(region, backing, options))
        {
            Task[] tasks = [.. Enumerable.Range(0, Threads)
                .Select(thread => Eventually.Thread(() => Write(device, expected, thread)))];
            await Eventually.Completes(Task.WhenAll(tasks), "writes on a tiny log");
            Assert.True(device.GetStatus().SpaceWaits > 0, "the cache was never full");
            Rig.AssertSame(expected, Rig.ReadAll(device), "the device");
            device.Drain();
            Rig.AssertSame(expected, backing.Snapshot(), "the backing");

            // The device's thread may still be at work.
            Eventually.True(() => Record.Exception(() => IntegrityAudit.Check(device, region)) is null,
                "the counts agree");
        }

        using PCacheDevice again = PCacheDevice.Open(region, backing, options);
        Rig.AssertSame(expected, Rig.ReadAll(again), "after opening");

        static void Write(PCacheDevice device, byte[] expected, int thread)
        {
            var random = new Random(thread);
            byte[] data = new byte[4 * Sector];
            for (int i = 0; i < 4000; i++)
            {
                // Every thread has every sixth of some sectors, so that they meet in stripes and shards and never in a
                // sector.
                int at = ((random.Next(SectorsEach) * Threads) + thread) * Sector;
                int length = i % 3 == 2 ? 100 : Sector;
                Span<byte> part = data.AsSpan(0, length);
                random.NextBytes(part);
                if (i % 3 == 0)
                {
                    part.Clear();
                    device.WriteZeroes(at, length);
                }
                else
                {
                    device.Write(at, part, i % 100 == 0 ? WriteDurability.ForceUnitAccess : WriteDurability.Normal);
                }

                part.CopyTo(expected.AsSpan(at));
            }
        }
    }

    private static void TakeAndReturn(DataHeads heads, Random random, int[] held)
    {
        List<PayloadRoom> rooms = [];
        for (int i = 0; i < 3000; i++)
        {
            if (rooms.Count < 20 && (random.Next(2) == 0 || rooms.Count == 0))
            {
                if (random.Next(4) == 0 ? heads.TryTakeZeros(Sector, out PayloadRoom room)
                    : heads.TryTake(Sector, out room))
                {
                    rooms.Add(room);
                }
            }
            else
            {
                int which = random.Next(rooms.Count);
                heads.Return(rooms[which]);
                rooms.RemoveAt(which);
            }
        }

        foreach (PayloadRoom room in rooms)
        {
            Interlocked.Increment(ref held[room.Segment]);
        }
    }

    private sealed class Parts : IDisposable
    {
        private readonly PmemRegion _region;

        public Parts(Room keys, Chance? chance = null)
        {
            Keys = keys;
            _region = PmemMemory.Allocate(MediaConstants.SegmentsOffset + ((long)Segments * Rig.SegmentBytes));
            var geometry = new Geometry(Rig.SegmentBytes, Segments, isLinux: false);
            Table = new SegmentTable(_region, geometry, [.. Enumerable.Range(0, Segments)], new ulong[Segments],
                [.. Enumerable.Repeat(ReplicaState.None, Segments)], reserveTarget: 2, new WorkSignal());
            Table.BuildPools();
            Heads = new DataHeads(_region, Table, keys, chance ?? Chance.FromSeed(1, 8), static () => { });
        }

        public Room Keys { get; }

        public SegmentTable Table { get; }

        public DataHeads Heads { get; }

        public void Dispose() => _region.Dispose();
    }

    /// <summary>Room for keys, without a log.</summary>
    private sealed class Room : IKeyRoom
    {
        private long _available;

        public long Available
        {
            get => Interlocked.Read(ref _available);
            set => _available = value;
        }

        /// <summary>Whether room ahead of time is given to the last key.</summary>
        public bool Greedy { get; set; }

        /// <summary>What another thread does after there was none.</summary>
        public Action? Refused { get; set; }

        public bool TryReserve()
        {
            bool got = TryTake(1);
            if (!got)
            {
                Refused?.Invoke();
            }

            return got;
        }

        public void AddHolder(Func<bool> giveBack)
        {
            // What is held ahead is never asked back here.
        }

        public bool TryReserveAhead(int keys) => Greedy && TryTake(keys);

        public void Unreserve(int keys) => Interlocked.Add(ref _available, keys);

        private bool TryTake(int keys)
        {
            while (true)
            {
                long there = Interlocked.Read(ref _available);
                if (there < keys)
                {
                    return false;
                }

                if (Interlocked.CompareExchange(ref _available, there - keys, there) == there)
                {
                    return true;
                }
            }
        }
    }
}
