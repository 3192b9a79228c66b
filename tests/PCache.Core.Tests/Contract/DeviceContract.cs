using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Contract;

/// <summary>
/// What every caller may rely on, held against every kind of region, backing and view. The cache is small (16 segments
/// of 64 KiB), write-back starts at once: the log rolls over, segments are reclaimed and writers wait while these tests
/// run.
/// </summary>
public abstract partial class DeviceContract(RegionKind regionKind, ViewKind viewKind)
{
    private const int Stripe = 4 << 20;
    private const long BackingBytes = Stripe + (192 << 10);

    public static TheoryData<BackingKind, bool> Backings()
    {
        // Payload checksums on for each, off for two.
        var data = new TheoryData<BackingKind,
            bool> { { BackingKind.Memory, false }, { BackingKind.OddLength, false } };
        foreach (BackingKind kind in Enum.GetValues<BackingKind>())
        {
            data.Add(kind, true);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void Any_offset_and_length_reads_what_was_written_last(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        var random = new Random(1);
        byte[] model = new byte[rig.Device.Length];
        View view = View.Open(viewKind, rig.Device);
        for (int i = 0; i < 120; i++)
        {
            long offset = HotOffset(random, model.Length);
            int length = (int)Math.Min(RandomLength(random), model.Length - offset);
            if (random.Next(3) > 0)
            {
                var bytes = new byte[length];
                random.NextBytes(bytes);
                view.Write(offset, bytes);
                bytes.CopyTo(model, offset);
            }
            else
            {
                Rig.AssertSame(model.AsSpan((int)offset, length), view.ReadBytes(offset, length),
                    $"operation {i}, offset {offset}");
            }
        }

        Rig.AssertSame(model, Rig.ReadAll(rig.Device), "before the drain");
        rig.Device.Drain();
        Rig.AssertSame(model, rig.BackingImage(), "the backing after the drain");
        Rig.AssertSame(model, Rig.ReadAll(rig.Device), "after the drain");
        view.Dispose();
        rig.Reopen();
        Rig.AssertSame(model, Rig.ReadAll(rig.Device), "after a reopen");
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void A_write_may_cross_stripes_and_be_larger_than_the_cache(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        using View view = View.Open(viewKind, rig.Device);
        var bytes = new byte[2 << 20];
        new Random(2).NextBytes(bytes);
        view.Write(BackingBytes - bytes.Length - 700, bytes);
        Rig.AssertSame(bytes, view.ReadBytes(BackingBytes - bytes.Length - 700, bytes.Length),
            "2 MiB through a cache of 1 MiB");
        Rig.AssertSame(new byte[700], view.ReadBytes(BackingBytes - 700, 700), "behind it");

        view.Write(Stripe - 300, bytes.AsSpan(0, 900));
        Rig.AssertSame(bytes.AsSpan(0, 900), view.ReadBytes(Stripe - 300, 900), "across the stripe's edge");
        view.Flush();
        using PCacheDevice copy = rig.OpenKilledCopy();
        using View copied = View.Open(viewKind, copy);
        Rig.AssertSame(bytes.AsSpan(0, 900), copied.ReadBytes(Stripe - 300, 900),
            "across the stripe's edge, after a kill");
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void A_length_of_zero_changes_nothing_anywhere(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        using View view = View.Open(viewKind, rig.Device);
        view.Write(100, [1, 2, 3]);
        long length = rig.Device.Length;
        foreach (long offset in new[] { 0, 101, 512, length })
        {
            view.Write(offset, []);
            view.WriteZeroes(offset, 0);
            view.Discard(offset, 0);
            Assert.Equal(0, view.Read(offset, []));
        }

        Assert.Equal(length, rig.Device.Length);
        Assert.Equal([0, 1, 2, 3, 0], view.ReadBytes(99, 5));
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void Reads_end_where_the_device_ends(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        using View view = View.Open(viewKind, rig.Device);
        long end = rig.Device.Length;
        view.Write(end - 5, [1, 2, 3, 4, 5]);
        var buffer = new byte[1000];
        Assert.Equal(3, view.Read(end - 3, buffer));
        Assert.Equal([3, 4, 5], buffer[..3]);
        Assert.Equal(0, view.Read(end, buffer));
        Assert.Equal(0, view.Read(end + 10_000_000, buffer));
        rig.Device.Drain();
        Assert.Equal(end, rig.BackingImage().Length);
        Assert.Equal([1, 2, 3, 4, 5], rig.BackingImage()[^5..]);
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void Write_zeroes_reads_as_zeros_and_touches_nothing_else(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        View view = View.Open(viewKind, rig.Device);
        byte[] model = view.ReadBytes(0, (int)rig.Device.Length);
        var random = new Random(3);
        for (int i = 0; i < 20; i++)
        {
            var bytes = new byte[6000];
            random.NextBytes(bytes);
            int at = (int)HotOffset(random, model.Length - bytes.Length);
            view.Write(at, bytes);
            bytes.CopyTo(model, at);
            int zeroAt = (int)Math.Min(at + random.Next(3000), model.Length);
            int zeroLength = Math.Min(random.Next(1, 9000), model.Length - zeroAt);
            view.WriteZeroes(zeroAt, zeroLength);
            model.AsSpan(zeroAt, zeroLength).Clear();
        }

        view.WriteZeroes(Stripe - 70_000, 140_000);
        model.AsSpan(Stripe - 70_000, 140_000).Clear();
        Rig.AssertSame(model, Rig.ReadAll(rig.Device), "at once");
        view.Flush();
        using (PCacheDevice copy = rig.OpenKilledCopy())
        {
            Rig.AssertSame(model, Rig.ReadAll(copy), "after a kill");
        }

        view.Dispose();
        rig.Reopen();
        Rig.AssertSame(model, Rig.ReadAll(rig.Device), "after a reopen");
        rig.Device.Drain();
        Rig.AssertSame(model, rig.BackingImage(), "on the backing");
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void Discard_leaves_everything_outside_of_its_range(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        View view = View.Open(viewKind, rig.Device);
        var bytes = new byte[20_000];
        new Random(4).NextBytes(bytes);
        view.Write(1000, bytes);
        view.Discard(3000, 10_001);
        view.Discard(rig.Device.Length - 10, 1_000_000);
        view.Write(5000, bytes.AsSpan(0, 600));

        void Check(PCacheDevice device, string when)
        {
            using View v = View.Open(viewKind, device);
            Rig.AssertSame(bytes.AsSpan(0, 2000), v.ReadBytes(1000, 2000), $"before the discarded range, {when}");
            Rig.AssertSame(bytes.AsSpan(12_001), v.ReadBytes(13_001, bytes.Length - 12_001),
                $"behind the discarded range, {when}");
            Rig.AssertSame(bytes.AsSpan(0, 600), v.ReadBytes(5000, 600), $"rewritten inside of it, {when}");
            Assert.Equal(10_001, v.ReadBytes(3000, 10_001).Length);
        }

        Check(rig.Device, "at once");
        view.Flush();
        using (PCacheDevice copy = rig.OpenKilledCopy())
        {
            Check(copy, "after a kill");
        }

        view.Dispose();
        rig.Reopen();
        Check(rig.Device, "after a reopen");
        rig.Device.Drain();
        rig.Reopen();
        Check(rig.Device, "after a drain");
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void What_was_flushed_or_forced_survives_a_kill(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        using View view = View.Open(viewKind, rig.Device);
        var random = new Random(5);
        for (int round = 0; round < 4; round++)
        {
            var flushed = new byte[random.Next(1, 5000)];
            var forced = new byte[random.Next(1, 5000)];
            random.NextBytes(flushed);
            random.NextBytes(forced);
            view.Write(round * 20_000, flushed);
            view.Flush();
            view.WriteThrough((round * 20_000) + 10_000, forced);
            using PCacheDevice copy = rig.OpenKilledCopy();
            using View copied = View.Open(viewKind, copy);
            Rig.AssertSame(flushed, copied.ReadBytes(round * 20_000, flushed.Length), $"flushed, round {round}");
            Rig.AssertSame(forced, copied.ReadBytes((round * 20_000) + 10_000, forced.Length),
                $"forced, round {round}");
        }
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void Views_are_coherent_and_keep_their_own_positions(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        using View view = View.Open(viewKind, rig.Device);
        using PCacheStream one = rig.Device.OpenStream();
        using PCacheStream two = rig.Device.OpenStream();
        one.Write([1, 2, 3, 4]);
        Assert.Equal(4, one.Position);
        Assert.Equal(0, two.Position);
        Assert.Equal([1, 2, 3, 4], view.ReadBytes(0, 4));
        Assert.Equal(1, two.ReadByte());
        view.Write(1, [9]);
        Assert.Equal(9, two.ReadByte());
        Assert.Equal(2, two.Position);
        Assert.Equal(4, one.Position);
        two.WriteByte(7);
        Assert.Equal([1, 9, 7, 4], view.ReadBytes(0, 4));
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void A_cache_smaller_than_what_is_written_stays_right(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc, segments: 4);
        using View view = View.Open(viewKind, rig.Device);
        var random = new Random(6);
        byte[] model = new byte[rig.Device.Length];
        for (int i = 0; i < 150; i++)
        {
            var bytes = new byte[random.Next(1, 12_000)];
            random.NextBytes(bytes);
            int at = random.Next(300_000);
            view.Write(at, bytes);
            bytes.CopyTo(model, at);
            if (i % 16 == 0)
            {
                view.Flush();
            }

            if (i % 5 == 0)
            {
                int readAt = random.Next(300_000);
                Rig.AssertSame(model.AsSpan(readAt, 8000), view.ReadBytes(readAt, 8000), $"write {i}");
            }
        }

        Rig.AssertSame(model, Rig.ReadAll(rig.Device), "at the end");
        view.Flush();
        using (PCacheDevice copy = rig.OpenKilledCopy())
        {
            Rig.AssertSame(model, Rig.ReadAll(copy), "after a kill");
        }

        rig.Device.Drain();
        Rig.AssertSame(model, rig.BackingImage(), "on the backing");
        Assert.True(rig.Device.GetStatus().SegmentsReclaimed > 0);
    }

    private Rig NewRig(BackingKind backing, bool crc, int segments = 16, PCacheOptions? options = null) => new(
        regionKind,
        backing,
        segments,
        BackingBytes,
        options ?? new PCacheOptions { WritebackDelay = TimeSpan.Zero, KsetTimeout = TimeSpan.FromMilliseconds(2) },
        crc);

    private static long HotOffset(Random random, long length) => random.Next(4) switch
    {
        0 => random.NextInt64(Math.Min(100_000, length)),
        1 => Math.Min(Stripe - 40_000 + random.Next(80_000), length),
        2 => length - Math.Min(length, random.Next(60_000)),
        _ => random.NextInt64(length),
    };

    private static int RandomLength(Random random) => random.Next(4) switch
    {
        0 => random.Next(1, 40),
        1 => 512 * random.Next(1, 20),
        2 => random.Next(1, 3000),
        _ => random.Next(1, 40_000),
    };
}
