using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// A backing that calls back into the device, on the thread of the maintenance step that called it. Keeps true: reads,
/// writes and flushes that need no other thread to wait work there; whatever would wait for its own step is refused at
/// once, with nothing changed; the step goes on as if nothing had been.
/// </summary>
public sealed class ReentrancyTests
{
    public enum Refused
    {
        Step,
        Drain,
        DrainAsync,
        Shrink,
        ShrinkAsync,
    }

    [Fact]
    public void Operations_at_every_backing_call_of_a_step_keep_the_content() => TestRuns.ForSeeds(5, seed =>
    {
        const int Sectors = 512;
        using var cache = new SmallCache(segments: 6, backingBytes: Sectors * 512, canResize: true, canDiscard: true,
            with: o => o with { WritebackDelay = TimeSpan.Zero });
        var random = new Random(seed);
        byte[] model = new byte[Sectors * 512];
        bool nested = false;
        int done = 0;
        int refused = 0;
        Exception? unexpected = null;
        cache.Backing.BeforeCall = _ => Interleave();
        cache.Backing.AfterCall = _ => Interleave();
        for (int i = 0; i < 1500; i++)
        {
            Operate();
            if (random.Next(10) == 0)
            {
                cache.Device.RunMaintenanceStep();
            }

            if (random.Next(100) == 0)
            {
                cache.Device.Drain();
            }
        }

        cache.Backing.BeforeCall = cache.Backing.AfterCall = null;
        Assert.Null(unexpected);
        cache.Settle();
        IntegrityAudit.Check(cache.Device, cache.Region);
        Rig.AssertSame(model, Rig.ReadAll(cache.Device), $"seed {seed}, device");
        cache.Device.Drain();
        Rig.AssertSame(model, cache.Backing.Snapshot(), $"seed {seed}, backing");
        Assert.True(done > 100 && refused > 0, $"seed {seed}: {done} nested operations, {refused} refused");

        void Interleave()
        {
            if (nested || random.Next(2) == 0)
            {
                return;
            }

            nested = true;
            try
            {
                Operate();
                done++;
            }
            catch (PCacheFullException)
            {
                refused++;
            }
            catch (Exception e)
            {
                unexpected ??= e; // the step would take it for a failure of the backing
            }

            nested = false;
        }

        void Operate()
        {
            // One sector at a time: a write that is refused has then written nothing.
            int at = random.Next(Sectors) * 512;
            switch (random.Next(6))
            {
                case 0:
                    cache.Device.Flush();
                    break;
                case 1:
                    byte[] found = new byte[Math.Min(8192, model.Length - at)];
                    byte[] expected = nested ? model[at..(at + found.Length)] : [];
                    Assert.Equal(found.Length, cache.Device.Read(at, found));

                    // What a read on the outside sees depends on what its own calls of the backing let in.
                    if (nested)
                    {
                        Rig.AssertSame(expected, found, $"seed {seed}, nested read at {at}");
                    }

                    break;
                case 2:
                    cache.Device.WriteZeroes(at, 512);
                    model.AsSpan(at, 512).Clear();
                    break;
                case 3:
                    // A part of a sector in front of what a nested write may put there meanwhile: the last one to
                    // publish wins, so only nested.
                    if (nested)
                    {
                        Write(at + 100, 200);
                    }

                    break;
                default:
                    Write(at, 512);
                    break;
            }
        }

        void Write(int at, int length)
        {
            byte[] bytes = new byte[length];
            random.NextBytes(bytes);
            cache.Device.Write(at, bytes, random.Next(8) == 0 ? WriteDurability.ForceUnitAccess
                : WriteDurability.Normal);
            bytes.CopyTo(model, at);
        }
    });

    [Theory]
    [InlineData(Refused.Step)]
    [InlineData(Refused.Drain)]
    [InlineData(Refused.DrainAsync)]
    [InlineData(Refused.Shrink)]
    [InlineData(Refused.ShrinkAsync)]
    public void What_would_wait_for_its_own_step_is_refused_and_changes_nothing(Refused what)
    {
        using var cache = new SmallCache(canResize: true);
        cache.Device.Write(0, Patterns.Make(0, 4096, 1));
        Exception? seen = null;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write)
            {
                seen = Record.Exception(() => Call(cache.Device, what));
            }
        };
        cache.Device.Drain();
        cache.Backing.BeforeCall = null;
        Assert.IsType<InvalidOperationException>(seen);
        Assert.Equal(1 << 20, cache.Device.Length);
        Assert.Equal(0, cache.Status.DirtyKeys);
        Rig.AssertSame(Patterns.Make(0, 4096, 1), cache.Backing.Peek(0, 4096), "backing");

        // It was nothing but the wrong moment.
        Call(cache.Device, what);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_write_that_finds_no_room_inside_a_step_fails_at_once(bool asynchronous)
    {
        using var cache = new SmallCache(segments: 5, backingBytes: 4 << 20);
        int written = Fill(cache);
        Exception? seen = null;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write && seen is null)
            {
                seen = Record.Exception(() => WriteUntilRefused(cache.Device, asynchronous));
            }
        };
        cache.Device.Drain();
        cache.Backing.BeforeCall = null;
        Assert.IsType<PCacheFullException>(seen);
        cache.Settle();
        IntegrityAudit.Check(cache.Device, cache.Region);

        // The step that was running makes the room.
        cache.Device.Write(written, new byte[4096]);
    }

    [Fact]
    public async Task A_device_thread_whose_backing_calls_back_does_not_wait_for_itself()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(5));
        var backing = Disks.Make(4 << 20, canResize: true);
        Exception?[] seen = new Exception?[3];
        bool tried = false;
        using PCacheDevice device = PCacheDevice.Create(region, backing,
            new PCacheOptions
            {
                SegmentSizeBytes = Rig.SegmentBytes,
                WritebackDelay = TimeSpan.FromHours(1),
                WritebackConcurrency = 1,
                LeaveRegionOpen = true
            });
        backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write && !tried)
            {
                tried = true;
                seen[0] = Record.Exception(() => device.Drain());
                seen[1] = Record.Exception(() => device.SetLength(0));
                seen[2] = Record.Exception(() => WriteUntilRefused(device, asynchronous: false));
            }
        };
        device.Write(0, new byte[4096]);
        await Eventually.Completes(Task.Run(() => device.Drain()), "the drain");
        Assert.IsType<InvalidOperationException>(seen[0]);
        Assert.IsType<InvalidOperationException>(seen[1]);
        Assert.IsType<PCacheFullException>(seen[2]);
        Assert.Equal(4 << 20, device.Length);
    }

    [Fact]
    public void Growth_inside_a_call_of_the_backing_works_unless_a_truncation_waits_for_that()
    {
        using var cache = new SmallCache(backingBytes: 8192, canResize: true);
        Exception? seen = null;
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.SetLength)
            {
                seen ??= Record.Exception(() => cache.Device.Write(65536, new byte[512]));
            }
        };
        cache.Device.SetLength(16384);
        cache.Device.Drain();
        Assert.Null(seen);
        Assert.Equal(65536 + 512, cache.Device.Length);

        cache.Device.Write(0, new byte[512]);
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write)
            {
                cache.Backing.BeforeCall = null;
                cache.Device.Write(131072, new byte[512]);
            }
        };
        cache.Device.Drain();
        Assert.Equal(131072 + 512, cache.Device.Length);

        // A truncation holds the length while its steps run: growing there would wait for it.
        seen = null;
        cache.Device.Write(0, new byte[512]);
        cache.Backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write)
            {
                seen ??= Record.Exception(() => cache.Device.Write(262144, new byte[512]));
            }
        };
        cache.Device.SetLength(4096);
        cache.Backing.BeforeCall = null;
        Assert.IsType<InvalidOperationException>(seen);
        Assert.Equal(4096, cache.Device.Length);
    }

    [Fact]
    public void Closing_inside_a_step_ends_the_step_and_loses_nothing()
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(8));
        var backing = Disks.Make(1 << 16);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = new VirtualClock(),
            LeaveRegionOpen = true,
            LeaveBackingOpen = true
        };
        PCacheDevice device = PCacheDevice.Create(region, backing, options);
        device.Write(512, Patterns.Make(512, 4096, 7));
        backing.BeforeCall = call =>
        {
            if (call.Operation == DiskOperation.Write)
            {
                device.Dispose();
            }
        };
        Assert.ThrowsAny<Exception>(() => device.Drain());
        backing.BeforeCall = null;
        using PCacheDevice again = PCacheDevice.Open(region, backing, options);
        byte[] found = new byte[4096];
        again.Read(512, found);
        Rig.AssertSame(Patterns.Make(512, 4096, 7), found, "after closing inside a step");
    }

    private static void Call(PCacheDevice device, Refused what)
    {
        switch (what)
        {
            case Refused.Step:
                device.RunMaintenanceStep();
                break;
            case Refused.Drain:
                device.Drain();
                break;
            case Refused.DrainAsync:
                device.DrainAsync().GetAwaiter().GetResult();
                break;
            case Refused.Shrink:
                device.SetLength(1 << 19);
                break;
            default:
                device.SetLengthAsync(1 << 19).AsTask().GetAwaiter().GetResult();
                break;
        }
    }

    /// <summary>Fills the cache with dirty data as far as it goes without a step.</summary>
    private static int Fill(SmallCache cache)
    {
        int at = 0;
        while (cache.Status.SpaceWaits == 0 && cache.Status.SegmentsUsed < 3)
        {
            cache.Device.Write(at, new byte[4096]);
            at += 4096;
        }

        return at;
    }

    private static void WriteUntilRefused(PCacheDevice device, bool asynchronous)
    {
        for (int i = 0; i < 1000; i++)
        {
            if (asynchronous)
            {
                device.WriteAsync((2 << 20) + (i % 100 * 4096), new byte[4096]).AsTask().GetAwaiter().GetResult();
            }
            else
            {
                device.Write((2 << 20) + (i % 100 * 4096), new byte[4096]);
            }
        }
    }
}
