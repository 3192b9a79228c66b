using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Contract;

/// <summary>
/// Growing and shrinking: new space reads as zeros, what was cut off never comes back, fixed-size backings refuse and
/// nothing changes.
/// </summary>
public abstract partial class DeviceContract
{
    [Theory]
    [MemberData(nameof(Backings))]
    public void Writing_past_the_end_grows_where_the_backing_can_grow(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        View view = View.Open(viewKind, rig.Device);
        long end = rig.Device.Length;
        var bytes = new byte[5000];
        new Random(7).NextBytes(bytes);
        Assert.Equal(backing != BackingKind.Block4096, rig.Device.CanResize);
        if (!rig.Device.CanResize)
        {
            view.Write(end - 5000, bytes);
            AssertRefused(() => view.Write(end - 1000, bytes));
            AssertRefused(() => view.Write(end, bytes.AsSpan(0, 1)));
            AssertRefused(() => view.SetLength(end + 1));
            AssertRefused(() => view.SetLength(end - 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => rig.Device.Write(end - 1000, bytes));
            Assert.Throws<NotSupportedException>(() => rig.Device.SetLength(end + 4096));
            Assert.Equal(end, rig.Device.Length);
            Rig.AssertSame(bytes, view.ReadBytes(end - 5000, 5000), "after refusals");
            view.Dispose();
            return;
        }

        view.Write(end - 1000, bytes);
        Assert.Equal(end + 4000, rig.Device.Length);
        Rig.AssertSame(bytes, view.ReadBytes(end - 1000, 6000), "across the old end");
        view.Write(end + 104_001, bytes);
        Assert.Equal(end + 109_001, rig.Device.Length);
        Rig.AssertSame(new byte[100_001], view.ReadBytes(end + 4000, 100_001), "the gap");
        view.Flush();
        using (PCacheDevice copy = rig.OpenKilledCopy())
        {
            Assert.Equal(end + 109_001, copy.Length);
            Rig.AssertSame(Rig.ReadAll(rig.Device), Rig.ReadAll(copy), "after a kill");
        }

        byte[] before = Rig.ReadAll(rig.Device);
        view.Dispose();
        rig.Reopen();
        Rig.AssertSame(before, Rig.ReadAll(rig.Device), "after a reopen");
        rig.Device.Drain();
        Rig.AssertSame(before, rig.BackingImage(), "on the backing");
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void What_was_cut_off_never_comes_back(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        if (!rig.Device.CanResize)
        {
            Assert.Throws<NotSupportedException>(() => rig.Device.SetLength(0));
            return;
        }

        View view = View.Open(viewKind, rig.Device);
        var bytes = new byte[100_000];
        new Random(8).NextBytes(bytes);
        view.Write(Stripe - 50_000, bytes);
        view.Write(10_000, bytes.AsSpan(0, 5000));
        view.Flush();
        view.SetLength(Stripe - 20_003);
        Assert.Equal(Stripe - 20_003, rig.Device.Length);
        Assert.Equal(29_997, view.ReadBytes(Stripe - 50_000, 100_000).Length);

        void Check(PCacheDevice device, string when)
        {
            using View v = View.Open(viewKind, device);
            Rig.AssertSame(bytes.AsSpan(0, 5000), v.ReadBytes(10_000, 5000), $"far below the cut, {when}");
            Rig.AssertSame(bytes.AsSpan(0, 29_997), v.ReadBytes(Stripe - 50_000, 29_997), $"below the cut, {when}");
            Rig.AssertSame(new byte[120_003], v.ReadBytes(Stripe - 20_003, 120_003), $"extended again, {when}");
        }

        view.Flush();
        using (PCacheDevice copy = rig.OpenKilledCopy())
        {
            Assert.Equal(Stripe - 20_003, copy.Length);
            copy.SetLength(Stripe + 100_000);
            Check(copy, "after a kill");
        }

        view.SetLength(Stripe + 100_000);
        Check(rig.Device, "at once");
        view.Flush();
        using (PCacheDevice copy = rig.OpenKilledCopy())
        {
            Assert.Equal(Stripe + 100_000, copy.Length);
            Check(copy, "after a later kill");
        }

        view.Dispose();
        rig.Reopen();
        Assert.Equal(Stripe + 100_000, rig.Device.Length);
        Check(rig.Device, "after a reopen");
        rig.Device.Drain();
        Check(rig.Device, "after a drain");
        byte[] onBacking = rig.BackingImage();
        Rig.AssertSame(Rig.ReadAll(rig.Device), onBacking, "on the backing");
    }

    [Theory]
    [MemberData(nameof(Backings))]
    public void Length_zero_and_back(BackingKind backing, bool crc)
    {
        using Rig rig = NewRig(backing, crc);
        using View view = View.Open(viewKind, rig.Device);
        if (!rig.Device.CanResize)
        {
            AssertRefused(() => view.SetLength(0));
            return;
        }

        view.Write(0, [1, 2, 3]);
        view.SetLength(0);
        Assert.Equal(0, rig.Device.Length);
        Assert.Empty(view.ReadBytes(0, 10));
        view.SetLength(3);
        Assert.Equal([0, 0, 0], view.ReadBytes(0, 10));
        view.Write(1, [5]);
        view.SetLength(2);
        view.SetLength(1000);
        Assert.Equal([0, 5, 0, 0], view.ReadBytes(0, 4));
        rig.Device.Drain();
        Assert.Equal([0, 5, .. new byte[998]], rig.BackingImage());
    }

    private static void AssertRefused(Action action)
    {
        Exception? error = Record.Exception(action);
        Assert.True(
            error is ArgumentOutOfRangeException or NotSupportedException or IOException,
            $"a fixed size wasn't refused clearly: {error?.ToString() ?? "no exception"}");
    }
}
