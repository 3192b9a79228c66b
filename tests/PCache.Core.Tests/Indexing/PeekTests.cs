using System.Collections.Concurrent;
using PCache.Core.Indexing;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Indexing;

/// <summary>
/// Lookups without the lock against writers that hold it: whatever is found stood there at one moment during the call.
/// </summary>
/// <remarks>
/// <para>Each extent says which sectors it is for (its payload sector is the number of its first sector among all that
/// are used) and when it was put there (its checksum is a number that only grows, and its segment and generation follow
/// from that number, so that halves of two slots don't pass for one). A writer that has put something over a sector, or
/// taken it out, publishes the number for that sector before it leaves the lock. So a slot that a call finds must be
/// for the sector asked about, no older than what was published before the call, no older than what the same reader has
/// seen of that sector, and no newer than what has been begun after it.</para>
/// <para>Why a slot that moves is returned without the last <see cref="Latch.IsUnchangedSince"/> of
/// <see cref="StripeDirectory.TryPeek"/>: as pages come into and go out of the same chunk, slots move up and down
/// inside their block. A reader that has counted the pages below its own, and then reads the slot after one of them has
/// come or gone, gets the slot of a neighbour, or a half-moved one: the wrong sector. Only the version tells. That is a
/// matter of a few nanoseconds between the check before it and the read, so
/// <see cref="A_slot_that_moves_under_a_reader_is_never_returned"/> has more readers than cores, who do little else
/// than look up: each time one of them loses its core just there, the writer has moved the slot many times before it
/// goes on. (The checks before the last one aren't about what is returned but about where is read: without them a
/// reader follows what isn't a place, and the process ends.)</para>
/// </remarks>
public sealed class PeekTests
{
    private const int Stripes = 3;
    private const int ChunkSectors = 16 * Slot.PageSectors;

    /// <summary>Two chunks of each stripe: its only header comes and goes too.</summary>
    private const int SectorsPerStripe = 2 * ChunkSectors;

    private const int Sectors = Stripes * SectorsPerStripe;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void What_is_found_without_the_lock_was_there_at_one_moment(int writers)
    {
        using var race = new Race();
        race.Run(writers, readers: 2);
        Assert.True(race.Wrong.IsEmpty, string.Join(Environment.NewLine, race.Wrong.Take(5)));
        Assert.True(race.Pages > 1000
            && race.Singles > 100, $"only {race.Pages} pages and {race.Singles} single sectors were found");
    }

    [Fact]
    public void A_slot_that_moves_under_a_reader_is_never_returned()
    {
        // Sixteen pages of one chunk. The first comes and goes, and all others move by one place each time, in the same
        // block.
        const int Readers = 8;
        using StripeDirectory directory = new();
        Latch gate = new();
        for (int page = 0; page < 16; page++)
        {
            directory.GetOrAdd(1).Insert(MakeExtent(0, page * Slot.PageSectors, (page + 1) * Slot.PageSectors,
                (uint)page + 1));
        }

        long found = 0;
        long wrong = 0;
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(Math.Max(3, TestRuns.Seconds)));
        Thread[] readers = [.. Enumerable.Range(4, Readers).Select(page => new Thread(() => Look(page)))];
        Array.ForEach(readers, reader => reader.Start());
        for (long i = 0; !stop.IsCancellationRequested; i++)
        {
            using (gate.Hold())
            {
                StripeIndex index = directory.GetOrAdd(1);
                if ((i & 1) == 0)
                {
                    index.Remove(0, Slot.PageSectors);
                }
                else
                {
                    index.Insert(MakeExtent(0, 0, Slot.PageSectors, 1));
                }
            }

            Thread.SpinWait(2);
        }

        Assert.All(readers, reader => Assert.True(reader.Join(TestRuns.HangLimit)));
        directory.Validate();
        Assert.True(wrong == 0, $"{wrong} of {found} slots were of another page");
        Assert.True(found > 1000, $"only {found} were found");

        void Look(int page)
        {
            int start = page * Slot.PageSectors;
            Slot expected = Slot.Pack(MakeExtent(0, start, start + Slot.PageSectors, (uint)page + 1));
            long right = 0;
            long others = 0;
            while (!stop.IsCancellationRequested)
            {
                for (int i = 0; i < 1000; i++)
                {
                    if (directory.TryPeek(gate, 1, start, start + Slot.PageSectors, out Slot slot))
                    {
                        right++;
                        others += slot.Equals(expected) ? 0 : 1;
                    }
                }
            }

            Interlocked.Add(ref found, right);
            Interlocked.Add(ref wrong, others);
        }
    }

    [Fact]
    public void Nothing_is_found_while_a_writer_holds_the_lock()
    {
        using StripeDirectory directory = new();
        Latch gate = new();
        directory.GetOrAdd(1).Insert(MakeExtent(0, 0, 8, 1));
        Assert.True(directory.TryPeek(gate, 1, 2, 5, out Slot found));
        Assert.Equal(2, found.Unpack(2, 3).PayloadSector);
        using (gate.Hold())
        {
            Assert.False(directory.TryPeek(gate, 1, 2, 5, out _));
        }

        Assert.True(directory.TryPeek(gate, 1, 2, 5, out _));
        Assert.False(directory.TryPeek(gate, 1, 8, 9, out _));
        Assert.False(directory.TryPeek(gate, 2, 2, 5, out _));
        directory.GetOrAdd(1).Insert(MakeExtent(0, 3, 4, 2));
        Assert.False(directory.TryPeek(gate, 1, 2, 5, out _), "two extents");
        Assert.True(directory.TryPeek(gate, 1, 3, 4, out found));
        Assert.Equal(2u, found.Unpack(3, 1).PayloadCrc);
    }

    private static Extent MakeExtent(int firstOfStripe, int start, int end, uint number) => new()
    {
        Start = (ushort)start,
        Length = (ushort)(end - start),
        KeyStart = (ushort)start,
        KeyLength = (ushort)(end - start),
        Segment = number & 0xFFFFF,
        PayloadSector = (ushort)(firstOfStripe + start),
        PayloadCrc = number,
        Generation = (number * 0x9E3779B1ul) & Extent.GenerationMask,
    };

    private sealed class Race : IDisposable
    {
        public readonly ConcurrentQueue<string> Wrong = new();
        public long Pages;
        public long Singles;

        private readonly StripeDirectory _directory = new();
        private readonly Latch _gate = new();
        private readonly uint[] _published = new uint[Sectors];
        private uint _begun;

        public void Run(int writers, int readers)
        {
            using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(Math.Max(1.5, TestRuns.Seconds)));
            Thread[] threads =
            [
                .. Enumerable.Range(1, writers)
                    .Select(seed => new Thread(() => Guarded(() => Write(new Random(seed), stop.Token)))),
                .. Enumerable.Range(101, readers)
                    .Select(seed => new Thread(() => Guarded(() => Read(new Random(seed), stop.Token)))),
            ];
            Array.ForEach(threads, thread => thread.Start());
            Assert.All(threads, thread =>
                Assert.True(thread.Join(TestRuns.HangLimit + TimeSpan.FromSeconds(TestRuns.Seconds))));
            _directory.Validate();
        }

        public void Dispose() => _directory.Dispose();

        private void Guarded(Action action)
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                Wrong.Enqueue(e.ToString());
            }
        }

        private void Write(Random random, CancellationToken stop)
        {
            while (!stop.IsCancellationRequested)
            {
                for (int i = 0; i < 100; i++)
                {
                    int stripe = random.Next(Stripes);
                    int page = random.Next(SectorsPerStripe / Slot.PageSectors) * Slot.PageSectors;
                    int choice = random.Next(16);
                    int start = choice < 12 ? page : page + random.Next(Slot.PageSectors);
                    int end = choice < 12 ? page + Slot.PageSectors : start + 1;
                    bool remove = (choice & 1) != 0;
                    if (random.Next(2000) == 0)
                    {
                        (start, end, remove) = (0, SectorsPerStripe, true);
                    }

                    using (_gate.Hold())
                    {
                        Change(stripe, start, end, remove);
                    }
                }
            }
        }

        private void Change(int stripe, int start, int end, bool remove)
        {
            int first = stripe * SectorsPerStripe;
            uint number = _begun + 1;
            Volatile.Write(ref _begun, number);
            StripeIndex index = _directory.GetOrAdd(stripe);
            if (remove)
            {
                index.Remove(start, end);
                _directory.RemoveIfEmpty(stripe);
            }
            else
            {
                index.Insert(MakeExtent(first, start, end, number));
            }

            for (int sector = start; sector < end; sector++)
            {
                Volatile.Write(ref _published[first + sector], number);
            }
        }

        private void Read(Random random, CancellationToken stop)
        {
            uint[] seen = new uint[Sectors];
            int pages = 0;
            int singles = 0;
            while (!stop.IsCancellationRequested && Wrong.Count < 5)
            {
                for (int i = 0; i < 100; i++)
                {
                    int stripe = random.Next(Stripes);
                    int first = stripe * SectorsPerStripe;
                    int start = random.Next(SectorsPerStripe);
                    int end = (i & 1) == 0 ? start + 1 : random.Next(start, start | (Slot.PageSectors - 1)) + 1;
                    uint least = 0;
                    for (int sector = start; sector < end; sector++)
                    {
                        least = Math.Max(least, Math.Max(seen[first + sector],
                            Volatile.Read(ref _published[first + sector])));
                    }

                    if (!_directory.TryPeek(_gate, stripe, start, end, out Slot slot))
                    {
                        continue;
                    }

                    uint most = Volatile.Read(ref _begun);
                    Extent found = slot.Unpack(start, end - start);
                    Extent expected = MakeExtent(first, found.KeyStart, found.KeyStart
                        + found.KeyLength, found.PayloadCrc).Clip(start, end);
                    bool covers = found.KeyStart <= start && found.KeyStart + found.KeyLength >= end;
                    if (!covers || !slot.Equals(Slot.Pack(in expected)) || found.PayloadCrc < least
                        || found.PayloadCrc > most)
                    {
                        Wrong.Enqueue(
                            $"[{start}, {end}) of stripe {stripe}: number {found.PayloadCrc}, {least} to {most} "
                            + $"expected; key at {found.KeyStart}, {found.KeyLength} sectors; payload at "
                            + $"{found.PayloadSector}, {first + start} expected");
                        return;
                    }

                    pages += found.KeyLength > 1 ? 1 : 0;
                    singles += found.KeyLength > 1 ? 0 : 1;
                    seen.AsSpan(first + start, end - start).Fill(found.PayloadCrc);
                }
            }

            Interlocked.Add(ref Pages, pages);
            Interlocked.Add(ref Singles, singles);
        }
    }
}
