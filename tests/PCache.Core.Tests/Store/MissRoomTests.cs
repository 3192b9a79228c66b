using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Store;

/// <summary>Room and placeholders of misses that fail, are overtaken as a whole, at their ends or in the middle: each
/// is given back once, and what stays is sound.</summary>
public sealed class MissRoomTests
{
    private const int Page = 4096;

    public static TheoryData<int, int> Overtakings() => new()
    {
        { 0, 8 }, // the whole
        { 0, 3 },
        { 5, 8 },
        { 2, 5 }, // what is left is in two parts
        { 8, 8 },
    };

    [Theory]
    [MemberData(nameof(Overtakings))]
    public void An_overtaken_miss_keeps_what_is_still_its_own(int from, int to)
    {
        byte[] content = Patterns.Make(0, 8 * Page, 1);
        using var cache = new SmallCache(16, content: content);
        byte[] expected = content.ToArray();
        bool written = false;
        cache.Backing.AfterCall = call =>
        {
            if (call.Operation == DiskOperation.Read && !written)
            {
                written = true;
                if (from < to)
                {
                    byte[] data = Patterns.Make(from * Page, (to - from) * Page, 2);
                    cache.Device.Write(from * Page, data);
                    data.CopyTo(expected, from * Page);
                }
            }
        };
        byte[] found = new byte[8 * Page];
        Assert.Equal(found.Length, cache.Device.Read(0, found));
        Assert.True(written);
        cache.Backing.AfterCall = null;
        IntegrityAudit.Check(cache.Device, cache.Region);
        for (int life = 0; life < 3; life++)
        {
            Rig.AssertSame(expected, Rig.ReadAll(cache.Device), $"life {life}");
            Assert.False(cache.Status.IsDegraded);
            IntegrityAudit.Check(cache.Device, cache.Region);
            cache.Device.Flush();
            cache.OpenKilledCopy().Dispose(); // which verifies each key's payload
            if (life < 2)
            {
                cache.Reopen();
            }
        }

        cache.Device.Drain();
        cache.Settle();
        IntegrityAudit.Check(cache.Device, cache.Region);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_miss_that_fails_leaves_no_trace(bool asynchronous)
    {
        using var cache = new SmallCache(16, content: Patterns.Make(0, 8 * Page, 1));
        cache.Device.Read(7 * Page, new byte[512]); // a segment is open: what fails below is the payload
        for (int failing = 0; failing < 4; failing++)
        {
            // The backing, or the medium: the first drain is the payload's.
            if (failing < 2)
            {
                cache.Backing.FailWhere(call =>
                    call.Operation == DiskOperation.Read ? new IOException("planned") : null);
            }
            else
            {
                cache.Region.DrainError = new IOException("planned");
            }

            byte[] found = new byte[Page];
            Exception? error = await Record.ExceptionAsync(async () => _ = asynchronous
                ? await cache.Device.ReadAsync(failing * Page, found) : cache.Device.Read(failing * Page, found));
            cache.Backing.BeforeCall = null;
            cache.Region.DrainError = null;
            Assert.True(error is IOException, $"{failing}: {error}");
            IntegrityAudit.Check(cache.Device, cache.Region);
        }

        Rig.AssertSame(Patterns.Make(0, 8 * Page, 1), Rig.ReadAll(cache.Device), "afterwards");
    }
}
