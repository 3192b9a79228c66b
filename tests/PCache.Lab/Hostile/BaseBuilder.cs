using PCache.Core;
using PCache.Core.Layout;
using PCache.Core.Pmem;

namespace PCache.Lab.Hostile;

/// <summary>
/// Makes one small image with the engine itself. Keeps true: the same calls give the same image, byte for byte (the
/// first kset's number, the cache's UUID and all content are given), so that a mutant's seed is enough to make it
/// again.
/// </summary>
internal sealed class BaseBuilder : IDisposable
{
    private const int SegmentBytes = 64 << 10;

    private readonly PmemRegion _region;
    private readonly HostileBacking _backing;
    private readonly VirtualClock _clock = new();
    private readonly Random _random;
    private readonly Guid _identity;
    private PCacheDevice _device;

    public BaseBuilder(int segments, bool payloadCrc, long backingBytes, uint firstNumber, bool canResize =
        false, Guid identity = default)
    {
        _random = new Random((int)firstNumber);
        _identity = identity;
        _backing = new HostileBacking(backingBytes, canResize);
        byte[] content = new byte[(int)Math.Min(backingBytes, 512 << 10)];
        _random.NextBytes(content);
        _backing.Write(0, content);
        _region = PmemMemory.Allocate((20 << 10) + ((long)segments * SegmentBytes));
        Formatter.Format(_region, new FormatParameters
        {
            SegmentSizeBytes = SegmentBytes,
            PayloadCrc = payloadCrc,
            Label = "base",
            CacheId = new Guid("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
            BackingLengthBytes = backingBytes,
            BackingIdentity = identity,
            BackingResizable = canResize,
        });

        // A link at the very begin: it gives the first number, which the engine would draw by lot.
        Store((20 << 10) + (12 << 10), Forge.Link(firstNumber, 1));
        _device = Open();
    }

    public PCacheDevice Device => _device;

    /// <summary>Writes at random places, with a flush now and then.</summary>
    public void Write(int count, int mostBytes = 2000, long? within = null)
    {
        for (int i = 0; i < count; i++)
        {
            byte[] data = new byte[_random.Next(1, mostBytes)];
            _random.NextBytes(data);
            _device.Write(_random.NextInt64((within ?? _device.Length) - data.Length), data);
            if (_random.Next(3) == 0)
            {
                _device.Flush();
            }
        }

        _device.Flush();
    }

    /// <summary>Writes one sector-aligned piece around each of these offsets, a kset each.</summary>
    public void WriteAt(params ReadOnlySpan<long> offsets)
    {
        foreach (long offset in offsets)
        {
            byte[] data = new byte[512 * _random.Next(1, 6)];
            _random.NextBytes(data);
            _device.Write(offset, data, WriteDurability.ForceUnitAccess);
        }
    }

    /// <summary>Reads at random places, so that clean keys are logged.</summary>
    public void Read(int count)
    {
        byte[] buffer = new byte[3000];
        for (int i = 0; i < count; i++)
        {
            _device.Read(_random.NextInt64(_device.Length), buffer.AsSpan(0, _random.Next(1, buffer.Length)));
        }

        _device.Flush();
    }

    /// <summary>Runs maintenance until it wants to wait, after so much time.</summary>
    public void Rest(double seconds)
    {
        _clock.Advance(TimeSpan.FromSeconds(seconds));
        while (_device.RunMaintenanceStep() == TimeSpan.Zero)
        {
        }
    }

    /// <summary>Lets the log go on in another segment, which the engine does only where one is full.</summary>
    public void Link()
    {
        _device.Dispose();
        ModelImage image = ModelReader.Read(Copy(), _backing.Length, new ModelBinding(_identity, _backing.CanResize));
        int target = Enumerable.Range(0, image.Chain.Count).Last(i =>
            i != image.KeyTail.Segment && image.Ksets.All(k => k.Segment != i) && image.Head.Segment != i
                && image.LiveKeys.All(k => k.Segment != i));
        Store(image.Place(target, 0), new byte[image.AreaBytes]);
        Store(image.Place(image.Head.Segment, image.Head.Offset),
            Forge.Link(image.LastNumber == uint.MaxValue ? 1 : image.LastNumber + 1, (uint)target));
        _device = Open();
    }

    /// <summary>Takes the image as a kill now leaves it, with the backing.</summary>
    /// <param name="name">The base's name.</param>
    /// <param name="change">What to change by hand at last.</param>
    public HostileBase Kill(string name, Action<byte[], ModelImage>? change = null)
    {
        byte[] image = Copy();
        var binding = new ModelBinding(_identity, _backing.CanResize);
        change?.Invoke(image, ModelReader.Read(image, _backing.Length, binding));
        _backing.Freeze();
        return new HostileBase(name, image.Length, memory => image.CopyTo(memory.Span(0, image.Length)), _backing,
            _identity);
    }

    public void Dispose()
    {
        // The backing belongs to the base now: the device has nothing to write to it, but it logs what is pending into
        // a region of its own.
        _device.Dispose();
        _region.Dispose();
    }

    private byte[] Copy() => _region.ReadSpan(0, (int)_region.LengthBytes).ToArray();

    private void Store(long offset, ReadOnlySpan<byte> bytes) => _region.WriteDurably(offset, bytes);

    private PCacheDevice Open() => PCacheDevice.Open(_region, _backing, new PCacheOptions
    {
        BackingIdentity = _identity,
        LeaveBackingOpen = true,
        LeaveRegionOpen = true,
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = _clock,
        LogReserveSegments = 1,
    });
}
