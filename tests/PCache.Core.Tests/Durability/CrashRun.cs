using System.Buffers.Binary;
using PCache.Core.Primitives;
using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Durability;

/// <summary>How a run is interrupted.</summary>
public enum Cut
{
    /// <summary>The process dies: every store so far is there.</summary>
    Kill,

    /// <summary>The power goes: of what wasn't drained, each word is old or new; of the backing's unflushed sectors likewise.</summary>
    Power,
}

/// <summary>
/// One seeded run of random operations with crashes between any two stores. Keeps true: the same seed makes the same run (manual maintenance, manual clock,
/// one thread); every crash image is sound, opens, and holds what the model allows.
/// </summary>
internal sealed class CrashRun : IDisposable
{
    private const int Stripe = 4 << 20;

    private readonly int _seed;
    private readonly Cut _cut;
    private readonly bool _resize;
    private readonly Random _random;
    private readonly Random _cutRandom;
    private readonly VirtualClock _clock = new();
    private readonly SectorModel _model;
    private readonly bool _drainIsCheap;
    private readonly int _blockSize;
    private readonly PCacheOptions _options;
    private SimulatedPmem _region;
    private SimulatedDisk _backing;
    private PCacheDevice _device;
    private long _writeId;
    private int _eventsToCut;
    private bool _inCut;
    private string _now = "create";

    public CrashRun(int seed, Cut cut, int segments, bool crc, bool resize = false)
    {
        _seed = seed;
        _cut = cut;
        _resize = resize;
        _random = new Random(seed);
        _cutRandom = new Random(~seed);
        _drainIsCheap = seed % 2 == 0;
        _blockSize = !resize && seed % 3 == 0 ? 4096 : 1;
        long length = Stripe + (128 << 10) + (_blockSize == 1 ? 300 : 0);
        _model = new SectorModel(length);
        _options = new PCacheOptions
        {
            SegmentSizeBytes = Rig.SegmentBytes,
            PayloadCrc = crc,
            Maintenance = MaintenanceMode.Manual,
            TimeProvider = _clock,
            WritebackDelay = TimeSpan.FromSeconds(_random.Next(3)),
            WritebackGroupBytes = 64 << 10,
            GcThresholdPercent = _random.Next(2) * 70,
            LeaveRegionOpen = true,
        };
        _region = SimulatedPmem.Allocate(Rig.RegionLength(segments), _drainIsCheap);
        _backing = Disks.Make(length, _blockSize, resize, canDiscard: seed % 4 < 2);
        _device = PCacheDevice.Create(_region, _backing, _options);
        ArmNextCut();
        Hook();
    }

    public int Cuts { get; private set; }

    public void Run(int operations)
    {
        try
        {
            for (int i = 0; i < operations; i++)
            {
                Operation(i);
            }

            _now = "the final check";
            _model.AssertCurrent(_device, _now);
            _device.Drain();
            _model.AssertCurrent(_device, "after the drain");
            Assert.Empty(_backing.Violations);
            _model.AssertCurrent(Disks.Make(_backing.Snapshot()), "the backing after the drain");
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"seed {_seed}, {_cut}, during {_now}: {e.Message}", e);
        }
    }

    public void Dispose()
    {
        _region.BeforeEvent = null;
        _backing.BeforeCall = null;
        _device.Dispose();
        _region.Dispose();
    }

    private void Operation(int i)
    {
        long offset = Offset();
        int length = Length(offset);
        int dice = _resize && _random.Next(25) == 0 ? 97 : _random.Next(100);
        string what = $"operation {i}: ";
        switch (dice)
        {
            case < 45:
                byte[] bytes = Bytes(offset, length);
                _now = what + $"write {_writeId} {offset}+{length}";
                _model.Write(offset, bytes);
                _device.Write(offset, bytes);
                break;
            case < 52:
                bytes = Bytes(offset, length);
                _now = what + $"FUA write {_writeId} {offset}+{length}";
                _model.Write(offset, bytes);
                _device.Write(offset, bytes, WriteDurability.ForceUnitAccess);
                _model.Forced(offset, length);
                break;
            case < 60:
                _now = what + "flush";
                _device.Flush();
                _model.Flushed();
                break;
            case < 65:
                _now = what + $"write zeroes {offset}+{length}";
                _model.Write(offset, new byte[length]);
                _device.WriteZeroes(offset, length);
                break;
            case < 68:
                offset -= offset % 512;
                length = (length + 511) / 512 * 512;
                _now = what + $"discard {offset}+{length}";
                _model.Discard(offset, length);
                _device.Discard(offset, length);
                break;
            case < 75:
                _now = what + "read";
                _model.AssertCurrent(_device, _now);
                break;
            case < 90:
                _now = what + "maintenance";
                Maintain(_random.Next(1, 12));
                break;
            case < 95:
                _now = what + "clock";
                _clock.Advance(TimeSpan.FromMilliseconds(_random.Next(3000)));
                break;
            case < 96:
                _now = what + "reopen";
                Reopen();
                break;
            case < 97:
                _now = what + "going on after a crash";
                GoOnAfterCrash();
                break;
            case < 98 when _resize:
                _now = what + "cut";
                CutLength();
                break;
            default:
                _now = what + "drain";
                _device.Drain();
                Assert.True(_device.GetStatus().IsClean, "not clean after a drain");
                break;
        }
    }

    private void Maintain(int steps)
    {
        for (int i = 0; i < steps; i++)
        {
            TimeSpan wait = _device.RunMaintenanceStep();
            if (wait == Timeout.InfiniteTimeSpan)
            {
                break;
            }

            _clock.Advance(wait);
        }
    }

    private void CutLength()
    {
        long length = Stripe - (32 << 10) + _random.Next(200_000);
        bool shrinks = length < _model.Length;
        _model.SetLength(length);
        _device.SetLength(length);
        if (shrinks)
        {
            _model.CutReturned();
        }
    }

    private void Reopen()
    {
        _device.Dispose();
        _model.Flushed();
        byte[] image = _cut == Cut.Kill ? _region.KillImage() : _region.PowerCutImage(_cutRandom);
        _region.Dispose();
        Open(SimulatedPmem.FromImage(image, _drainIsCheap), BackingLeft());
        _model.AssertCurrent(_device, _now);
    }

    private void GoOnAfterCrash()
    {
        byte[] region = RegionImage();
        SimulatedDisk backing = BackingLeft();
        _region.BeforeEvent = null;
        _backing.BeforeCall = null;
        _device.Dispose();
        _region.Dispose();
        Open(SimulatedPmem.FromImage(region, _drainIsCheap), backing);
        _model.AssertLegal(_device, _now);
        _model.Adopt(_device);
    }

    private void Open(SimulatedPmem region, SimulatedDisk backing)
    {
        _region = region;
        _backing = backing;
        Hook();
        _device = PCacheDevice.Open(_region, _backing, _options);
    }

    private void Hook()
    {
        _region.BeforeEvent = _ => MayCut();
        _backing.BeforeCall = _ => MayCut();
    }

    private void MayCut()
    {
        if (_inCut || --_eventsToCut > 0)
        {
            return;
        }

        _inCut = true;
        try
        {
            CheckCut();
        }
        finally
        {
            _inCut = false;
            ArmNextCut();
        }
    }

    private void ArmNextCut() => _eventsToCut = _cutRandom.Next(3) == 0 ? 1 + _cutRandom.Next(4) : 1 + _cutRandom.Next(120);

    private void CheckCut()
    {
        Cuts++;
        string when = $"cut {Cuts}";
        byte[] region = RegionImage();
        SimulatedDisk backing = BackingLeft();
        ImageChecks.AssertSound(region);
        if (_cutRandom.Next(3) == 0)
        {
            DamageReplicas(region);
        }

        if (_cutRandom.Next(4) == 0)
        {
            byte[] regionBefore = (byte[])region.Clone();
            using var untouchedRegion = SimulatedPmem.FromImage(region, _drainIsCheap);
            SimulatedDisk untouchedBacking = backing.AfterKill();
            using (PCacheDevice readOnly = PCacheDevice.Open(untouchedRegion, untouchedBacking, _options with { ReadOnly = true }))
            {
                _model.AssertLegal(readOnly, when + ", read-only");
                Rig.AssertSame(regionBefore, untouchedRegion.KillImage(), when + ": the region after a read-only open");
            }

            Assert.Equal(0, untouchedBacking.Calls(DiskOperation.Write) + untouchedBacking.Calls(DiskOperation.SetLength) + untouchedBacking.Calls(DiskOperation.WriteZeroes));
        }

        using var copyRegion = SimulatedPmem.FromImage(region, _drainIsCheap);
        using PCacheDevice copy = PCacheDevice.Open(copyRegion, backing, _options);
        _model.AssertLegal(copy, when);
        if (_cutRandom.Next(3) == 0)
        {
            SecondLife(copy, copyRegion, when);
        }
    }

    /// <summary>One replica of a tail may be lost besides: falling back to the other one must never be harmful.</summary>
    private void DamageReplicas(byte[] image)
    {
        foreach (int tail in new[] { 16384, 16384 + 32 })
        {
            int replica = _cutRandom.Next(3);
            if (replica < 2 && IsValid(image.AsSpan(tail, 16)) && IsValid(image.AsSpan(tail + 16, 16)))
            {
                image[tail + (replica * 16)] ^= 1;
            }
        }

        static bool IsValid(ReadOnlySpan<byte> position) => BinaryPrimitives.ReadUInt32LittleEndian(position) == Crc32C.HashToUInt32(position[4..]);
    }

    /// <summary>What was recovered stays: through write-back, and through one more crash.</summary>
    private void SecondLife(PCacheDevice copy, SimulatedPmem copyRegion, string when)
    {
        Dictionary<long, byte[]> before = _model.ReadDefined(copy);
        for (int i = _cutRandom.Next(20); i > 0; i--)
        {
            copy.RunMaintenanceStep();
        }

        copy.Write(1 << 20, Patterns.Make(1 << 20, 4096, 1));
        copy.Flush();
        byte[] image = _cut == Cut.Kill ? copyRegion.KillImage() : copyRegion.PowerCutImage(_cutRandom);
        ImageChecks.AssertSound(image);
        copy.Drain();
        foreach ((long sector, byte[] now) in _model.ReadDefined(copy))
        {
            Rig.AssertSame(before[sector], now, $"{when}, drained: sector {sector}");
        }
    }

    private byte[] RegionImage() => _cut == Cut.Kill ? _region.KillImage() : _region.PowerCutImage(_cutRandom);

    private SimulatedDisk BackingLeft() => _cut == Cut.Kill ? _backing.AfterKill() : _backing.AfterPowerCut(_cutRandom);

    private byte[] Bytes(long offset, int length)
    {
        _writeId++;
        long from = offset / 512 * 512;
        int whole = (int)(((offset + length + 511) / 512 * 512) - from);
        return Patterns.Make(from, whole, _writeId).AsSpan((int)(offset - from), length).ToArray();
    }

    private long Offset()
    {
        long offset = _random.Next(3) switch
        {
            0 => _random.Next(24 << 10),
            1 => Stripe - (16 << 10) + _random.Next(32 << 10),
            _ => Stripe + (100 << 10) + _random.Next(24 << 10),
        };
        offset = _random.Next(2) == 0 ? offset / 512 * 512 : offset;
        return _resize ? offset : Math.Min(offset, _model.Length - 1);
    }

    private int Length(long offset)
    {
        int length = _random.Next(4) switch
        {
            0 => _random.Next(1, 700),
            1 => 4096,
            _ => 512 * _random.Next(1, 40),
        };
        return _resize ? length : (int)Math.Min(length, _model.Length - offset);
    }
}
