// Keeps true: every round begins with the state that its operation is about: the whole range cached in blocks of the
// measured size (so that no write waits for room, every read is a hit, and the index has its final form), every
// second block cached, or nothing cached; the memory of the region has been touched before. But for a first pass: the
// cache is new, and none of it has been touched.
using PCache.Core;
using PCache.Core.Pmem;

namespace PCache.Tool.Bench;

/// <summary>The device itself.</summary>
internal sealed class DeviceTarget : BenchTarget
{
    private const int SmallSegmentBytes = 1 << 20;
    private const long SmallPayloadBytes = 64 << 20;

    /// <summary>Segments that are never payload: log, its reserve, data heads that are partly filled.</summary>
    private const int SpareSegments = 24;

    private readonly BenchSettings _settings;
    private readonly BenchPattern _pattern;
    private readonly PmemRegion _region;
    private readonly IBlockDevice _backing;
    private readonly long _lengthBytes;
    private readonly int _segmentBytes;
    private PCacheDevice? _device;

    /// <param name="places">Where the region goes.</param>
    /// <param name="settings">Checksums, verification, write-back.</param>
    /// <param name="pattern">What is measured.</param>
    /// <param name="lengthBytes">Bytes of the device, a multiple of the pattern's unit.</param>
    /// <param name="roundBytes">Room in the cache that one round may take.</param>
    /// <param name="name">Name in the results.</param>
    public DeviceTarget(
        BenchPlaces places, BenchSettings settings, BenchPattern pattern, long lengthBytes, long roundBytes,
        string name = "PCacheDevice")
    {
        _settings = settings;
        _pattern = pattern;
        _lengthBytes = lengthBytes;
        Name = name;

        // Payload, an eighth of it for the log (keys of small blocks), and what is never payload.
        long payload = lengthBytes + roundBytes;
        _segmentBytes = payload < SmallPayloadBytes ? SmallSegmentBytes : PCacheOptions.LinuxSegmentSizeBytes;
        _region = places.CreateCacheRegion(payload + (payload / 8) + ((long)SpareSegments * _segmentBytes));
        if (!pattern.Once)
        {
            _region.WriteZeros(0, _region.LengthBytes);
            _region.Drain();
        }

        _backing = places.CreateBacking(
            lengthBytes, isRead: pattern.Once || pattern.Kind is BenchKind.PartialHit or BenchKind.ReadMiss);
    }

    public override string Name { get; }

    public override bool RunsOutOfRoom => true;

    public override void Prepare()
    {
        if (_device is not null && !_pattern.TakesRoom)
        {
            return;
        }

        _device?.Dispose();
        var options = new PCacheOptions
        {
            SegmentSizeBytes = _segmentBytes == PCacheOptions.LinuxSegmentSizeBytes ? null : _segmentBytes,
            PayloadCrc = _settings.DataCrc,
            VerifyReads = _settings.VerifyReads,
            CacheReads = _pattern.Kind != BenchKind.PartialHit,
            OverwriteExisting = true,
            StartWritebackPaused = !_settings.WritebackRunning,
            WritebackDelay = TimeSpan.Zero,
            LeaveRegionOpen = true,
            LeaveBackingOpen = true,
        };
        _device = PCacheDevice.Create(_region, _backing, options);
        Fill(_device);
    }

    public override BenchWorker CreateWorker() => new Worker(this);

    public override void Dispose()
    {
        _device?.Dispose();
        _backing.Dispose();
        _region.Dispose();
    }

    private void Fill(PCacheDevice device)
    {
        if (_pattern.Once || _pattern.IsSmall || _pattern.Kind == BenchKind.ReadMiss)
        {
            return;
        }

        byte[] buffer = new byte[_pattern.BlockBytes];
        Random.Shared.NextBytes(buffer);
        for (long offset = 0; offset < _lengthBytes; offset += _pattern.UnitBytes)
        {
            device.Write(offset, buffer);
        }

        device.Flush();
    }

    private sealed class Worker(DeviceTarget owner) : BenchWorker(owner._pattern)
    {
        private readonly PCacheDevice _device = owner._device!;
        private readonly BenchKind _kind = owner._pattern.Kind;
        private readonly int _blockBytes = owner._pattern.BlockBytes;
        private readonly BlockWrite[] _writes = new BlockWrite[BenchPattern.BatchBlocks];
        private readonly BlockRead[] _reads = new BlockRead[BenchPattern.BatchBlocks];
        private PCacheStream? _stream;

        public override void Begin(long partStart)
        {
            if (Pattern.IsSmall)
            {
                _stream = _device.OpenStream(_kind == BenchKind.SmallWriteBuffered ? 4096 : 0);
                _stream.Position = partStart;
            }
        }

        public override void Execute(ref BenchOffsets offsets)
        {
            switch (_kind)
            {
                case BenchKind.Read or BenchKind.ReadMiss:
                    _device.Read(offsets.Next(), Block(_blockBytes));
                    break;
                case BenchKind.PartialHit:
                    _device.Read(offsets.Next(), Block(2 * _blockBytes));
                    break;
                case BenchKind.Write:
                    _device.Write(offsets.Next(), Block(_blockBytes));
                    break;
                case BenchKind.WritePersist:
                    _device.Write(offsets.Next(), Block(_blockBytes), WriteDurability.Persist);
                    break;
                case BenchKind.WriteFua:
                    _device.Write(offsets.Next(), Block(_blockBytes), WriteDurability.ForceUnitAccess);
                    break;
                case BenchKind.WriteFlush:
                    _device.Write(offsets.Next(), Block(_blockBytes));
                    _device.Flush();
                    break;
                case BenchKind.SmallWrite or BenchKind.SmallWriteBuffered:
                    _stream!.Write(Block(offsets.NextAppend()));
                    break;
                default:
                    ExecuteBatch(ref offsets);
                    break;
            }
        }

        public override void Dispose() => _stream?.Dispose();

        private void ExecuteBatch(ref BenchOffsets offsets)
        {
            if (_kind == BenchKind.BatchWrite)
            {
                for (int i = 0; i < _writes.Length; i++)
                {
                    _writes[i] = new BlockWrite(offsets.Next(), Array.AsMemory(Start + (i * _blockBytes), _blockBytes));
                }

                _device.WriteBatch(_writes);
                return;
            }

            for (int i = 0; i < _reads.Length; i++)
            {
                _reads[i] = new BlockRead(offsets.Next(), Array.AsMemory(Start + (i * _blockBytes), _blockBytes));
            }

            _device.ReadBatch(_reads);
        }
    }
}
