namespace PCache.Core.Tests.Testing;

/// <summary>What a simulated region does at a power cut, with damage, and with its hook: one example each.</summary>
public sealed class SimulatedPmemTests
{
    [Fact]
    public void Over_many_draws_every_legal_state_appears_and_no_other()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(61);
        region.Write(0, [1]);
        region.FlushRange(0, 1);
        region.Drain(); // the durable value of the first word
        region.Write(0, [2]);
        region.Write(0, [3]);
        region.Write(8, [1]);
        region.Write(57, [1]);
        region.Write(57, [2]);
        region.Write(57, [3]);
        HashSet<(byte, byte, byte)> legal =
            [.. from a in (byte[])[1, 2, 3] from b in (byte[])[0, 1] from c in (byte[])[0, 1, 2, 3] select (a, b, c)];
        HashSet<(byte, byte, byte)> seen = [];
        var random = new Random(5);
        for (int i = 0; i < 300_000; i++)
        {
            byte[] image = region.PowerCutImage(random);
            _ = seen.Add((image[0], image[8], image[57]));
        }

        Assert.Equal(legal.Order(), seen.Order());
        Assert.Equal(legal.Count, region.Open.States(1000));
        Assert.Equal(11, region.Open.States(10));
    }

    [Fact]
    public void A_drain_takes_what_was_flushed_and_not_what_was_stored_after_the_flush()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(64);
        region.Write(0, [1]);
        region.FlushRange(0, 1);
        region.Write(0, [2]);
        region.Drain();
        Assert.Equal([1, 2], Possible(region, 0));
        region.Drain();
        Assert.Equal([1, 2], Possible(region, 0));
        region.FlushRange(0, 1);
        Assert.Equal([1, 2], Possible(region, 0));
        region.Drain();
        Assert.Equal([2], Possible(region, 0));
        Assert.Equal(0, region.OpenWordCount);
    }

    [Fact]
    public void A_flush_covers_the_words_of_its_range_and_not_their_neighbours_in_the_line()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(64);
        region.Write(0, [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]);
        region.FlushRange(7, 2);
        region.FlushRange(16, 0);
        region.Drain();
        Assert.Equal([1], Possible(region, 0));
        Assert.Equal([1], Possible(region, 8));
        Assert.Equal([0, 1], Possible(region, 16));
    }

    [Fact]
    public void A_kill_makes_nothing_durable()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(100);
        region.Write(0, [1]);
        region.Write(97, [1, 2, 3]);
        region.FlushRange(97, 3);
        using SimulatedPmem left = region.AfterKill();
        Assert.Equal(region.KillImage(), left.KillImage());
        left.Drain(); // a flush ends with its process
        Assert.Equal([0, 1], Possible(left, 0));
        Assert.Equal([0, 1], Possible(left, 97));
        left.FlushRange(0, 100);
        left.Drain();
        Assert.Equal([1], Possible(left, 97));
        Assert.Equal([0, 1], Possible(region, 97));
        using SimulatedPmem cut = left.AfterPowerCut(new Random(1));
        Assert.Equal(0, cut.OpenWordCount);
        Assert.Equal(3, cut.KillImage()[99]);
    }

    [Fact]
    public void A_poisoned_line_is_unreadable_as_metadata_until_all_of_it_is_stored_in_one_call()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(200); // the last line has 8 bytes
        region.Write(60, new byte[140]);
        region.Poison(70, 1);
        region.Poison(199, 1);
        region.Poison(10, 0);
        Read(region, 0, 64);
        Assert.Throws<IOException>(() => Read(region, 0, 65));
        Assert.Throws<IOException>(() => Read(region, 127, 1));
        Read(region, 128, 64);
        Read(region, 130, 0);
        Read(region, 70, 0);
        Assert.Throws<IOException>(() => Read(region, 192, 1));
        Assert.Equal(0xA5, region.KillImage()[64]);
        Assert.Equal(0xA5, region.PowerCutImage(new Random(1))[199]);
        region.Write(64, new byte[63]);
        Assert.Throws<IOException>(() => Read(region, 64, 1));
        using (SimulatedPmem left = region.AfterKill())
        {
            Assert.Throws<IOException>(() => Read(left, 64, 1));
        }

        using (SimulatedPmem left = region.AfterPowerCut(new Random(2)))
        {
            Assert.Throws<IOException>(() => Read(left, 199, 1));
        }

        region.WriteZeros(64, 64);
        Read(region, 64, 128);
        region.Write(192, new byte[8]);
        Read(region, 0, 200);
        region.Poison(0, 1);
        region.Heal();
        Read(region, 0, 64);
        Assert.Equal(0xA5, region.KillImage()[63]);
    }

    [Fact]
    public void Damage_hits_what_is_under_way_to_the_medium_too()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(128);
        region.Write(0, [1]);
        region.FlushRange(0, 1);
        region.Write(64, [1]);
        region.FlushRange(64, 1);
        region.FlipBit(0, 7);
        region.Poison(64, 1);
        region.Drain();
        Assert.Equal(0, region.OpenWordCount);
        Assert.Equal(0x81, region.KillImage()[0]);
        Assert.Equal(region.KillImage(), region.PowerCutImage(new Random(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.FlipBit(0, 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.FlipBit(128, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => region.Poison(127, 2));
    }

    [Fact]
    public void The_hook_comes_first_and_what_it_throws_is_thrown_and_nothing_happened()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(64);
        List<PmemEvent> events = [];
        region.BeforeEvent = e =>
        {
            Assert.Equal(0, region.KillImage()[0]);
            events.Add(e);
            throw new TimeoutException();
        };
        Assert.Throws<TimeoutException>(() => region.Write(0, [1]));
        Assert.Throws<TimeoutException>(() => region.WriteWithCrc(0, [1], 0));
        Assert.Throws<TimeoutException>(() => region.WriteZeros(0, 1));
        Assert.Throws<TimeoutException>(() => region.FlushRange(0, 1));
        Assert.Throws<TimeoutException>(region.Drain);
        Assert.Equal([PmemEvent.Store, PmemEvent.Store, PmemEvent.Store, PmemEvent.Flush, PmemEvent.Drain], events);
        Assert.Equal(0, region.OpenWordCount);
    }

    [Fact]
    public void A_word_that_is_never_drained_does_not_keep_the_versions_of_all_others()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(64);
        region.Write(0, [1]);
        region.Write(0, [2]);
        region.FlushRange(0, 1);
        region.Write(0, [3]);
        for (int i = 1; i <= 20_000; i++)
        {
            region.Write(8, BitConverter.GetBytes(i));
            region.FlushRange(8, 4);
            if (i >= 5000)
            {
                region.Drain();
            }

            if (i % 4000 == 0)
            {
                region.Write(0, [(byte)(i / 1000)]);
            }
        }

        Assert.InRange(region.Open.KeptVersions, 1, 3000);
        Assert.Equal([2, 3, 4, 8, 12, 16, 20], Possible(region, 0));
    }

    [Fact]
    public void What_is_flushed_stays_flushed_when_other_versions_are_dropped()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(128);
        region.Write(0, [1]);
        region.Write(0, [2]);
        region.FlushRange(0, 1);
        region.Write(0, [3]);
        for (int i = 1; i <= 5000; i++)
        {
            region.Write(64, BitConverter.GetBytes(i));
        }

        region.Poison(64, 1);
        Assert.Equal(3, region.Open.KeptVersions);
        Assert.Equal([0, 1, 2, 3], Possible(region, 0));
        region.Drain();
        Assert.Equal([2, 3], Possible(region, 0));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData((1L << 30) + 1)]
    public void Lengths_out_of_range_are_refused(long length) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => SimulatedPmem.Allocate(length));

    [Fact]
    public void An_image_is_durable_from_the_beginning()
    {
        byte[] image = [.. Enumerable.Range(1, 99).Select(i => (byte)i)];
        using SimulatedPmem region = SimulatedPmem.FromImage(image, drainIsCheap: false);
        Assert.False(region.DrainIsCheap);
        Assert.Equal(image, region.PowerCutImage(new Random(1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => SimulatedPmem.FromImage([]));
        region.Dispose();
        Assert.Throws<ObjectDisposedException>(() => region.KillImage());
        Assert.Throws<ObjectDisposedException>(() => region.AfterKill());
        Assert.Throws<ObjectDisposedException>(() => region.PowerCutImage(new Random(1)));
        Assert.Throws<ObjectDisposedException>(() => region.FlipBit(0, 0));
    }

    /// <summary>What a byte may be after a power cut, sorted.</summary>
    private static byte[] Possible(SimulatedPmem region, int offset)
    {
        var random = new Random(offset + 1);
        return [.. Enumerable.Range(0, 1000).Select(_ => region.PowerCutImage(random)[offset]).Distinct().Order()];
    }

    private static void Read(SimulatedPmem region, int offset, int length) =>
        region.ReadMetadata(offset, new byte[length]);
}
