// Keeps true: every round begins with a fresh cache whose whole range is cached in blocks of the measured size, so that no write ever waits for room, every
// read is a hit, and the index has its final form; the memory of the region has been touched before.
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.Tool.Bench;

/// <summary>The device itself.</summary>
internal sealed class DeviceTarget : BenchTarget
{
    private const int SegmentBytes = 16 << 20;

    /// <summary>Segments that are never payload: log, its reserve, data heads that are partly filled.</summary>
    private const int SpareSegments = 24;

    private readonly PmemRegion _region;
    private readonly int _blockBytes;
    private readonly long _lengthBytes;
    private readonly bool _dataCrc;
    private readonly bool _freshEveryRound;
    private PCacheDevice? _device;

    /// <param name="places">Where the region goes.</param>
    /// <param name="blockBytes">Bytes per operation.</param>
    /// <param name="lengthBytes">Bytes of the device, a multiple of the block size.</param>
    /// <param name="roundBytes">Payload bytes that one round may write; 0: only reads.</param>
    /// <param name="dataCrc">Payload checksums.</param>
    public DeviceTarget(BenchPlaces places, int blockBytes, long lengthBytes, long roundBytes, bool dataCrc)
    {
        _blockBytes = blockBytes;
        _lengthBytes = lengthBytes;
        _dataCrc = dataCrc;
        _freshEveryRound = roundBytes > 0;

        // Payload, an eighth of it for the log (keys of small blocks), and what is never payload.
        long payload = lengthBytes + roundBytes;
        _region = places.CreateCacheRegion(payload + (payload / 8) + ((long)SpareSegments * SegmentBytes));
        _region.WriteZeros(0, _region.LengthBytes);
        _region.Drain();
    }

    public override string Name => "PCacheDevice";

    public override void Prepare()
    {
        if (_device is not null && !_freshEveryRound)
        {
            return;
        }

        _device?.Dispose();
        var options = new PCacheOptions
        {
            PayloadCrc = _dataCrc,
            OverwriteExisting = true,
            StartWritebackPaused = true,
            LeaveRegionOpen = true,
        };
        _device = PCacheDevice.Create(_region, new NullDevice(_lengthBytes), options);
        byte[] buffer = new byte[_blockBytes];
        Random.Shared.NextBytes(buffer);
        for (long offset = 0; offset < _lengthBytes; offset += buffer.Length)
        {
            _device.Write(offset, buffer);
        }

        _device.Flush();
    }

    public override BenchWorker CreateWorker() => new Worker(this);

    public override void Dispose()
    {
        _device?.Dispose();
        _region.Dispose();
    }

    private sealed class Worker(DeviceTarget owner) : BenchWorker
    {
        private readonly PCacheDevice _device = owner._device!;

        public override void Read(long offset, byte[] buffer) => _device.Read(offset, buffer);

        public override void Write(long offset, byte[] buffer) => _device.Write(offset, buffer);

        public override void Dispose()
        {
        }
    }
}
