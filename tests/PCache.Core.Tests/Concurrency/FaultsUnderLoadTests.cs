using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Concurrency;

/// <summary>
/// Many threads on a tiny cache whose backing fails now and then, with cancellations, changes of length and discards between: whatever ends how, nothing leaks
/// and nothing hangs, and what was written last is there.
/// </summary>
public sealed class FaultsUnderLoadTests
{
    private const int Lane = 64 << 10;
    private const int Lanes = 4;
    private const int Operations = 250;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Nothing_leaks_and_nothing_hangs(int seed)
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(5));
        var backing = Disks.Make(Lane * Lanes, canResize: true, canDiscard: true);
        int calls = 0;
        backing.FailWhere(e => Interlocked.Increment(ref calls) % 29 == 0 ? new IOException("planned") : null);
        using PCacheDevice device = PCacheDevice.Create(region, backing, new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = true,
            WritebackDelay = TimeSpan.Zero,
            KsetTimeout = TimeSpan.FromMilliseconds(5),
            LeaveRegionOpen = true,
        });
        byte[][] models = new byte[Lanes][];
        var lanes = new Task[Lanes + 1];
        for (int i = 0; i < Lanes; i++)
        {
            int lane = i;
            models[lane] = new byte[Lane];
            lanes[lane] = Task.Run(() => Work(device, lane, models[lane], new Random((seed * 100) + lane)));
        }

        lanes[Lanes] = Task.Run(() => Resize(device, new Random(seed * 1000)));
        foreach (Task lane in lanes)
        {
            await Eventually.Completes(lane, "a worker");
        }

        backing.BeforeCall = null;
        Retry(() => device.SetLength(Lane * Lanes));
        Retry(() => device.Drain());
        device.PauseWriteback();
        byte[] all = Rig.ReadAll(device);
        for (int lane = 0; lane < Lanes; lane++)
        {
            Rig.AssertSame(models[lane], all.AsSpan(lane * Lane, Lane), $"lane {lane}");
            Rig.AssertSame(models[lane], backing.Peek(lane * Lane, Lane), $"lane {lane} on the backing");
        }

        // The thread may still be at work on what needs no write-back.
        Eventually.True(() => Record.Exception(() => IntegrityAudit.Check(device, region)) is null, "the counts agree");
        Assert.Empty(backing.Violations);
    }

    private static async Task Work(PCacheDevice device, int lane, byte[] model, Random random)
    {
        long start = lane * (long)Lane;
        for (int i = 0; i < Operations; i++)
        {
            int at = random.Next(Lane - 20_000);
            int length = 1 + random.Next(random.Next(6) == 0 ? 20_000 : 3000);
            byte[] data = new byte[length];
            random.NextBytes(data);
            using var cancel = new CancellationTokenSource();
            if (random.Next(8) == 0)
            {
                cancel.CancelAfter(random.Next(3));
            }

            switch (random.Next(10))
            {
                case 0:
                    await Try(async () => _ = await device.ReadAsync(start + at, data, cancel.Token));
                    break;
                case 1:
                    await Try(() => device.FlushAsync(cancel.Token).AsTask());
                    break;
                case 2:
                    Array.Clear(data);
                    await Overwrite(() => device.WriteZeroesAsync(start + at, length, WriteDurability.Normal, cancel.Token).AsTask(), () => device.WriteZeroes(start + at, length));
                    data.CopyTo(model, at);
                    break;
                case 3:
                    await Try(() => device.DrainAsync(null, cancel.Token));
                    break;
                case 4:
                    device.Discard(start + at, length);
                    Retry(() => device.Write(start + at, data));
                    data.CopyTo(model, at);
                    break;
                case 5 or 6:
                    Retry(() => device.Write(start + at, data, WriteDurability.ForceUnitAccess));
                    data.CopyTo(model, at);
                    break;
                default:
                    await Overwrite(() => device.WriteAsync(start + at, data, WriteDurability.Normal, cancel.Token).AsTask(), () => device.Write(start + at, data));
                    data.CopyTo(model, at);
                    break;
            }
        }
    }

    /// <summary>The device grows and shrinks beyond what the others use.</summary>
    private static async Task Resize(PCacheDevice device, Random random)
    {
        for (int i = 0; i < 40; i++)
        {
            await Try(() => device.SetLengthAsync((Lane * Lanes) + random.Next(20_000)).AsTask());
            await Try(() => device.WriteAsync((Lane * Lanes) + random.Next(10_000), new byte[random.Next(3000)]).AsTask());
        }
    }

    private static async Task Overwrite(Func<Task> write, Action again)
    {
        if (!await Try(write))
        {
            Retry(again);
        }
    }

    private static async Task<bool> Try(Func<Task> action)
    {
        try
        {
            await action();
            return true;
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            return false;
        }
    }

    private static void Retry(Action action)
    {
        for (int i = 0; ; i++)
        {
            try
            {
                action();
                return;
            }
            catch (IOException) when (i < 100)
            {
                // The backing failed, as it does here.
            }
        }
    }
}
