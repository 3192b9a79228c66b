using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Errors;

/// <summary>
/// One flipped payload byte: reading that range throws, it never reaches the backing, everything else goes on;
/// overwriting or giving up ends it.
/// </summary>
public sealed class DamagedPayloadTests
{
    private const int Damaged = 65536;
    private const int Size = 8192;
    private const int Length = 1 << 20;
    private const long BackingId = 77;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reading_it_throws_and_everything_else_goes_on(bool asynchronous)
    {
        using SmallCache cache = NewDamaged();
        var buffer = new byte[Size];
        var error = asynchronous
            ? await Assert.ThrowsAsync<PCacheDamagedDataException>(async () =>
                await cache.Device.ReadAsync(Damaged, buffer))
            : Assert.Throws<PCacheDamagedDataException>(() => { _ = cache.Device.Read(Damaged, buffer); });
        Assert.InRange(error.Offset, Damaged, Damaged + Size - 1);
        Assert.InRange(error.Offset + error.LengthBytes, Damaged + 1, Damaged + Size);
        Assert.Throws<PCacheDamagedDataException>(() => { _ = cache.Device.Read(0, new byte[Length]); });
        AssertOthers(cache.Device);
        Assert.True(cache.Status.IsDegraded);
        Assert.All(cache.Status.DamagedRanges, r => Assert.InRange(r.Offset, Damaged, Damaged + Size - 1));
        using PCacheStream stream = cache.Device.OpenStream();
        stream.Position = Damaged;
        Assert.Throws<PCacheDamagedDataException>(() => { _ = stream.Read(buffer, 0, 512); });
        Assert.Equal(Damaged, stream.Position);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void It_never_reaches_the_backing_and_the_log_passes_it(bool verifyReads)
    {
        using SmallCache cache = NewDamaged(verifyReads);
        DrainAround(cache);
        AssertBackingAround(cache);
        Assert.True(cache.Status.IsDegraded);

        // The log turns over many times: whatever keeps the range has to be moved along.
        for (int i = 0; i < 300; i++)
        {
            cache.Device.Write(512 * 1024, Patterns.Make(512 * 1024, 16384, 1000 + i));
            cache.Device.Flush();
        }

        Assert.True(cache.Status.SegmentsReclaimed > 5);
        ImageChecks.AssertSound(cache.Region.KillImage(), damagedPayload: true);
        AssertBackingAround(cache);
        AssertDamaged(cache.Device, verifyReads);

        using (PCacheDevice copy = cache.OpenKilledCopy(damagedPayload: true))
        {
            AssertDamaged(copy, verifyReads);
            AssertOthers(copy);
        }

        cache.Reopen();
        AssertDamaged(cache.Device, verifyReads);
        AssertOthers(cache.Device);
        DrainAround(cache);
        AssertBackingAround(cache);
        Rig.AssertSame(Patterns.Make(512 * 1024, 16384, 1299), cache.Backing.Peek(512 * 1024, 16384),
            "what was written meanwhile");
    }

    [Fact]
    public void A_read_only_open_reads_all_but_the_damaged_range()
    {
        using SmallCache cache = New();
        cache.Reopen(o => o with { ReadOnly = true }, image => Flip(image, Patterns.Make(Damaged, 512, 2)));
        AssertDamaged(cache.Device, true);
        AssertOthers(cache.Device);
        AssertDamaged(cache.Device, true);
    }

    [Theory]
    [InlineData("write")]
    [InlineData("zeroes")]
    [InlineData("force")]
    public void Overwriting_heals(string how)
    {
        using SmallCache cache = NewDamaged();
        AssertDamaged(cache.Device, true);
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Write(Damaged + 10, [1, 2, 3]));
        byte[] half = Patterns.Make(Damaged, Size / 2, 50);
        cache.Device.Write(Damaged, half);
        var buffer = new byte[Size / 2];
        Assert.Equal(buffer.Length, cache.Device.Read(Damaged, buffer));
        Rig.AssertSame(half, buffer, "the half that was overwritten");
        Assert.Throws<PCacheDamagedDataException>(() => { _ = cache.Device.Read(Damaged + (Size / 2), buffer); });
        Assert.True(cache.Status.IsDegraded);

        byte[] whole = how == "zeroes" ? new byte[Size] : Patterns.Make(Damaged, Size, 51);
        switch (how)
        {
            case "zeroes":
                cache.Device.WriteZeroes(Damaged, Size);
                break;
            default:
                cache.Device.Write(Damaged, whole, how == "force" ? WriteDurability.ForceUnitAccess
                    : WriteDurability.Normal);
                break;
        }

        Assert.False(cache.Status.IsDegraded);
        cache.Device.Drain();
        Assert.True(cache.Status.IsClean);
        Rig.AssertSame(whole, cache.Backing.Peek(Damaged, Size), "the backing");
        cache.Reopen();
        buffer = new byte[Size];
        Assert.Equal(Size, cache.Device.Read(Damaged, buffer));
        Rig.AssertSame(whole, buffer, "after a reopen");
        Assert.False(cache.Status.IsDegraded);
        AssertOthers(cache.Device);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Giving_up_shows_what_the_backing_has(bool detectedBefore)
    {
        using SmallCache cache = NewDamaged();
        if (detectedBefore)
        {
            AssertDamaged(cache.Device, true);
        }

        cache.Device.AbandonDamaged(0, Length);
        if (!detectedBefore)
        {
            // Only damaged data may be given up; what wasn't looked at yet is found now.
            Exception? error = Record.Exception(() => { _ = cache.Device.Read(Damaged, new byte[Size]); });
            if (error is PCacheDamagedDataException)
            {
                cache.Device.AbandonDamaged(0, Length);
            }
        }

        Assert.False(cache.Status.IsDegraded);
        AssertOthers(cache.Device);
        AssertBackingContent(cache.Device, "given up");
        cache.Device.Flush();
        using (PCacheDevice copy = cache.OpenKilledCopy(damagedPayload: true))
        {
            // Durably given up is what a drain makes it; before, the damage may be found again, but nothing worse.
            if (Record.Exception(() => AssertBackingContent(copy, "given up, after a kill")) is { } error)
            {
                Assert.IsType<PCacheDamagedDataException>(error);
            }

            AssertOthers(copy);
        }

        cache.Device.Drain();
        Assert.True(cache.Status.IsClean);
        AssertBackingAround(cache);
        cache.Reopen();
        AssertBackingContent(cache.Device, "given up, after a reopen");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_write_of_a_part_of_it_does_not_make_it_look_sound(bool verifyReads)
    {
        using SmallCache cache = NewDamaged(verifyReads);
        Assert.Throws<PCacheDamagedDataException>(() => cache.Device.Write(Damaged + 10, [1, 2, 3]));
        DrainAround(cache);
        AssertBackingAround(cache);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_clean_key_is_dropped_and_read_again(bool readOnly)
    {
        using var cache = new SmallCache(content: Patterns.Make(0, Length, BackingId));
        var buffer = new byte[Size];
        cache.Device.Read(Damaged, buffer);
        cache.Device.Flush();
        cache.Reopen(o => o with { ReadOnly = readOnly }, image => Flip(image, Patterns.Make(Damaged, 512, BackingId)));
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(Size, cache.Device.Read(Damaged, buffer));
            Rig.AssertSame(Patterns.Make(Damaged, Size, BackingId), buffer, $"read {i}");
        }

        Assert.False(cache.Status.IsDegraded);
        if (readOnly)
        {
            return;
        }

        cache.Device.Write(Damaged + 10, [1]);
        cache.Device.Drain();
        Assert.True(cache.Status.IsClean);
    }

    [Fact]
    public void Written_back_data_that_is_damaged_is_read_from_the_backing()
    {
        using SmallCache cache = New();
        cache.Device.Drain();
        cache.Reopen(change: image => Flip(image, Patterns.Make(Damaged, 512, 2)));
        var buffer = new byte[Size];
        Assert.Equal(Size, cache.Device.Read(Damaged, buffer));
        Rig.AssertSame(Patterns.Make(Damaged, Size, 2), buffer, "the backing has it");
        Assert.False(cache.Status.IsDegraded);
    }

    [Fact]
    public void Without_checksums_nothing_is_verified()
    {
        using SmallCache cache = New(o => o with { PayloadCrc = false });
        cache.Reopen(change: image => Flip(image, Patterns.Make(Damaged, 512, 2)));
        Assert.Equal(Size, cache.Device.Read(Damaged, new byte[Size]));
        Assert.False(cache.Status.IsDegraded);
    }

    private static SmallCache New(Func<PCacheOptions, PCacheOptions>? with = null)
    {
        var cache = new SmallCache(6, with: with, content: Patterns.Make(0, Length, BackingId));
        cache.Device.Write(0, Patterns.Make(0, Size, 1));
        cache.Device.Write(Damaged, Patterns.Make(Damaged, Size, 2));
        cache.Device.Write(2 * Damaged, Patterns.Make(2 * Damaged, Size, 3));
        cache.Device.Flush();
        return cache;
    }

    private static SmallCache NewDamaged(bool verifyReads = true)
    {
        SmallCache cache = New(o => o with { VerifyReads = verifyReads });
        cache.Reopen(change: image => Flip(image, Patterns.Make(Damaged, 512, 2)));
        return cache;
    }

    private static void Flip(byte[] image, byte[] sector)
    {
        int at = image.AsSpan().IndexOf(sector);
        Assert.True(at > 0, "the payload isn't on the region");
        image[at + 300] ^= 0x10;
        Assert.True(image.AsSpan().IndexOf(sector) < 0, "the payload is there twice");
    }

    /// <summary>A drain may say that something couldn't be written; everything else is written all the same.</summary>
    private static void DrainAround(SmallCache cache)
    {
        Exception? error = Record.Exception(() => cache.Device.Drain());
        Assert.True(error is null or PCacheException, $"{error}");
    }

    private static void AssertDamaged(PCacheDevice device, bool verifyReads)
    {
        if (verifyReads)
        {
            Assert.Throws<PCacheDamagedDataException>(() => { _ = device.Read(Damaged, new byte[Size]); });
        }
    }

    private static void AssertOthers(PCacheDevice device)
    {
        var buffer = new byte[Size];
        foreach ((int at, long id) in new[] { (0, 1L), (2 * Damaged, 3L), (800 * 1024, BackingId) })
        {
            Assert.Equal(Size, device.Read(at, buffer));
            Rig.AssertSame(Patterns.Make(at, Size, id), buffer, $"undamaged data at {at}");
        }
    }

    private static void AssertBackingContent(PCacheDevice device, string when)
    {
        var buffer = new byte[Size];
        Assert.Equal(Size, device.Read(Damaged, buffer));
        Rig.AssertSame(Patterns.Make(Damaged, Size, BackingId), buffer, when);
    }

    private static void AssertBackingAround(SmallCache cache)
    {
        Rig.AssertSame(Patterns.Make(0, Size, 1), cache.Backing.Peek(0, Size), "written back before the damaged range");
        Rig.AssertSame(Patterns.Make(Damaged, Size, BackingId), cache.Backing.Peek(Damaged, Size),
            "the damaged range on the backing");
        Rig.AssertSame(Patterns.Make(2 * Damaged, Size, 3), cache.Backing.Peek(2 * Damaged, Size),
            "written back behind the damaged range");
    }
}
