using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Engine;

/// <summary>
/// Each operation with the n-th call of the backing failing, for n = 0, 1, 2, ... until it completes without one:
/// afterwards every sector is old or new (new, if the operation returned), nothing has leaked (see
/// <see cref="IntegrityAudit"/>), and the device goes on through many times its room.
/// </summary>
public sealed class FailAtNTests
{
    private const int Length = 256 << 10;
    private const int Segments = 6;
    private const int GoOnBytes = 2 * Segments * Rig.SegmentBytes;

    private static readonly Dictionary<string, Operation> Operations = new()
    {
        ["partial write"] = new((d, _) => d.Write(1000, Bytes(100)), (d, _) => d.WriteAsync(1000, Bytes(100)).AsTask(),
            m => Bytes(100).CopyTo(m.Span(1000, 100))),
        ["partial write over a boundary"] = new((d, _) => d.Write(1000, Bytes(600)),
            (d, _) => d.WriteAsync(1000, Bytes(600)).AsTask(), m => Bytes(600).CopyTo(m.Span(1000, 600))),
        ["large write"] = new(
            (d, _) => d.Write(1100, Bytes(180_000), WriteDurability.ForceUnitAccess),
            (d, _) => d.WriteAsync(1100, Bytes(180_000), WriteDurability.ForceUnitAccess).AsTask(),
            m => Bytes(180_000).CopyTo(m.Span(1100, 180_000))),
        ["read"] = new((d, _) => Read(d), (d, _) => d.ReadAsync(100, new byte[150_000]).AsTask(), _ => { }),
        ["growing write and drain"] = new(
            (d, _) =>
            {
                d.Write(Length + 700, Bytes(3000));
                d.Drain();
            },
            async (d, _) =>
            {
                await d.WriteAsync(Length + 700, Bytes(3000));
                await d.DrainAsync();
            },
            m => Bytes(3000).CopyTo(m.Span(Length + 700, 3000))),
        ["write zeroes"] = new((d, _) => d.WriteZeroes(300, 150_000),
            (d, _) => d.WriteZeroesAsync(300, 150_000, WriteDurability.ForceUnitAccess).AsTask(), m =>
            m.Span(300, 150_000).Clear()),
        ["discard"] = new((d, settle) => Discard(d, settle), (d, settle) => Task.Run(() => Discard(d, settle)), m =>
            m.Undefined(8192, 65536)),
        ["truncate"] = new((d, _) => d.SetLength(100_100), (d, _) => d.SetLengthAsync(100_100).AsTask(), m =>
            m.Resize(100_100)),
        ["truncate and grow"] = new(
            (d, _) =>
            {
                d.SetLength(100_100);
                d.SetLength(Length);
            },
            async (d, _) =>
            {
                await d.SetLengthAsync(100_100);
                await d.SetLengthAsync(Length);
            },
            m =>
            {
                m.Resize(100_100);
                m.Resize(Length);
            }),
        ["grow and drain"] = new(
            (d, _) =>
            {
                d.SetLength(Length + 5000);
                d.Drain();
            },
            async (d, _) =>
            {
                await d.SetLengthAsync(Length + 5000);
                await d.DrainAsync();
            },
            m => m.Resize(Length + 5000)),
        ["drain"] = new((d, _) => d.Drain(), (d, _) => d.DrainAsync(), _ => { }),
        ["maintenance"] = new(
            (d, settle) =>
            {
                d.SetGcThreshold(0);
                settle();
            },
            (d, settle) =>
            {
                d.SetGcThreshold(0);
                return Task.Run(settle);
            },
            _ => { }),
    };

    public static TheoryData<string, bool, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, bool, int>();
            foreach (string name in Operations.Keys)
            {
                cases.Add(name, false, 1);
                cases.Add(name, true, 1);
                cases.Add(name, false, 4096);
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task The_nth_call_of_the_backing_fails(string name, bool asynchronous, int blockSize)
    {
        int struck = 0;
        for (int n = 0; ; n++)
        {
            Assert.True(n < 500, "the operation never completes without a fault");
            if (!await Run(Operations[name], asynchronous, blockSize, n))
            {
                break;
            }

            struck++;
        }

        Assert.True(struck > 0, "no call was made to fail");
    }

    private static async Task<bool> Run(Operation operation, bool asynchronous, int blockSize, int n)
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Rig.RegionLength(Segments));
        var backing = Disks.Make(Patterns.Make(0, Length, 1), blockSize, canResize: true, canDiscard: true);
        var options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = true,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = new VirtualClock(),
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
        };
        bool struck = false;
        var old = new Model(Patterns.Make(0, Length, 1));
        using (PCacheDevice device = PCacheDevice.Create(region, backing, options))
        {
            void Settle() => SettleDevice(device);
            Prepare(device, old);
            int calls = 0;
            backing.FailWhere(_ =>
            {
                bool strike = calls++ == n;
                struck |= strike;
                return strike ? new IOException("planned") : null;
            });
            Exception? error = asynchronous
                ? await Record.ExceptionAsync(() => operation.Asynchronously(device, Settle))
                : Record.Exception(() => operation.Synchronously(device, Settle));
            backing.BeforeCall = null;
            Assert.True(error is null or IOException, $"{error}");
            Model wanted = old.Copy();
            operation.Apply(wanted);
            Compare(device, old, wanted, error is not null, $"call {n} failed");
            IntegrityAudit.Check(device, region);
            Model now = Accept(device, wanted);
            GoOn(device, now);
            IntegrityAudit.Check(device, region);
            Assert.Null(device.GetStatus().WritebackError);
            device.SetLength(device.Length); // finishes a truncation that failed
            now.AssertIs(Rig.ReadAll(device), "the device at the end");
            now.AssertBegins(backing.Snapshot(), error is not null, "the backing after a drain");
            ImageChecks.AssertSound(region);
            old = now;
        }

        using PCacheDevice again = PCacheDevice.Open(region, backing, options);
        old.AssertBegins(Rig.ReadAll(again), mayBeLonger: true, "opened again");
        Assert.Empty(backing.Violations);
        return struck;
    }

    /// <summary>Some written back, some logged, some neither; a part of a sector each.</summary>
    private static void Prepare(PCacheDevice device, Model model)
    {
        foreach ((int at, int length) in new[] { (20_000, 3000), (98_304, 8192), (60_000, 700), (1024, 512) })
        {
            device.Write(at, Bytes(length).AsSpan());
            Bytes(length).CopyTo(model.Span(at, length));
            if (at == 20_000)
            {
                device.Drain();
            }
            else if (at == 98_304)
            {
                device.Flush();
            }
        }
    }

    private static void Compare(PCacheDevice device, Model old, Model wanted, bool mayBeOld, string when)
    {
        byte[] now = Rig.ReadAll(device);
        Assert.True(now.Length == wanted.Length
            || (mayBeOld && (now.Length == old.Length || now.Length == 100_100 || now.Length >= Length)),
            $"{when}: the length is {now.Length}");
        for (int at = 0; at < now.Length; at += 512)
        {
            ReadOnlySpan<byte> sector = now.AsSpan(at, Math.Min(512, now.Length - at));
            bool fits = wanted.Is(at, sector) || (mayBeOld && old.Is(at, sector));
            Assert.True(fits, $"{when}: sector at {at} is neither old nor new");
        }
    }

    /// <summary>What the device holds, undefined ranges written anew.</summary>
    private static Model Accept(PCacheDevice device, Model wanted)
    {
        foreach ((int from, int length) in wanted.Holes)
        {
            device.Write(from, Bytes(length));
        }

        return new Model(Rig.ReadAll(device));
    }

    private static void GoOn(PCacheDevice device, Model model)
    {
        int limit = model.Length - 4096;
        for (int i = 0, done = 0; done < GoOnBytes; i++)
        {
            int at = i * 7919 % limit;
            byte[] data = Bytes(1 + (i * 37 % 4096));
            device.Write(at, data);
            data.CopyTo(model.Span(at, data.Length));
            done += data.Length + 512;
        }

        device.Drain();
        SettleDevice(device);
        Assert.True(device.GetStatus().IsClean);
    }

    private static void Read(PCacheDevice device) => Assert.Equal(150_000, device.Read(100, new byte[150_000]));

    private static void Discard(PCacheDevice device, Action settle)
    {
        device.Discard(8192, 65536);
        device.Drain();
        settle();
    }

    private static void SettleDevice(PCacheDevice device)
    {
        for (int i = 0; device.RunMaintenanceStep() == TimeSpan.Zero; i++)
        {
            Assert.True(i < 100_000, "maintenance never comes to rest");
        }
    }

    private static byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }

    private sealed record Operation(Action<PCacheDevice, Action> Synchronously, Func<PCacheDevice, Action,
        Task> Asynchronously, Action<Model> Apply);

    /// <summary>What a device should hold.</summary>
    private sealed class Model(byte[] content)
    {
        private byte[] _content = (byte[])content.Clone();

        public List<(int From, int Length)> Holes { get; } = [];

        public int Length => _content.Length;

        public Model Copy() => new(_content);

        public Span<byte> Span(int offset, int length)
        {
            if (offset + length > _content.Length)
            {
                Resize(offset + length);
            }

            return _content.AsSpan(offset, length);
        }

        public void Resize(int length) => Array.Resize(ref _content, length);

        public void Undefined(int from, int length) => Holes.Add((from, length));

        public bool Is(int at, ReadOnlySpan<byte> bytes) =>
            Holes.Exists(hole => at >= hole.From && at < hole.From + hole.Length)
            || (at + bytes.Length <= _content.Length ? _content.AsSpan(at, bytes.Length).SequenceEqual(bytes)
                : bytes[Math.Clamp(_content.Length - at, 0, bytes.Length)..].IndexOfAnyExcept((byte)0) < 0);

        public void AssertIs(byte[] bytes, string what) => Rig.AssertSame(_content, bytes, what);

        /// <summary>A growth that failed may have made the backing longer, by zeros.</summary>
        public void AssertBegins(byte[] bytes, bool mayBeLonger, string what)
        {
            Assert.True(bytes.Length == _content.Length
                || (mayBeLonger && bytes.Length > _content.Length), $"{what}: {bytes.Length} bytes");
            Rig.AssertSame(_content, bytes.AsSpan(0, _content.Length), what);
            Assert.True(bytes.AsSpan(_content.Length).IndexOfAnyExcept((byte)0) < 0,
                $"{what}: something beyond the end");
        }
    }
}
