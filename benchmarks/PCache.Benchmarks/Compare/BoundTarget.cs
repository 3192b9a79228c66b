// Keeps true: does the least that any cache on this memory has to do: one copy of the payload, and for a write one
// fence; for a miss a copy out of the backing's memory, one into the region, and a fence. Its region is of the same
// kind as the cache's.
using PCache.Core.Pmem;
using PCache.Tool.Bench;

namespace PCache.Benchmarks.Compare;

/// <summary>The bound: a copy with the region's own stores plus one fence; for reads a plain copy.</summary>
internal sealed class BoundTarget : BenchTarget
{
    private readonly BenchPattern _pattern;
    private readonly PmemRegion _region;
    private readonly PmemRegion? _backing;
    private readonly long _lengthBytes;
    private bool _touched;

    public BoundTarget(BenchPlaces places, BenchPattern pattern, long lengthBytes)
    {
        _pattern = pattern;
        _lengthBytes = lengthBytes;
        _region = places.CreateRegion(lengthBytes);
        _backing = pattern.Kind == BenchKind.ReadMiss ? PmemMemory.Allocate(lengthBytes) : null;
    }

    public override string Name => "bound";

    public override void Prepare()
    {
        if (_touched)
        {
            return;
        }

        BenchPlaces.Fill(_region, _lengthBytes);
        if (_backing is not null)
        {
            BenchPlaces.Fill(_backing, _lengthBytes);
        }

        _touched = true;
    }

    public override BenchWorker CreateWorker() => new Worker(this);

    public override void Dispose()
    {
        _region.Dispose();
        _backing?.Dispose();
    }

    private sealed class Worker(BoundTarget owner) : BenchWorker(owner._pattern)
    {
        private readonly PmemRegion _region = owner._region;
        private readonly PmemRegion? _backing = owner._backing;
        private readonly BenchKind _kind = owner._pattern.Kind;
        private readonly int _blockBytes = owner._pattern.BlockBytes;
        private long _position;

        public override void Begin(long partStart) => _position = partStart;

        public override void Execute(ref BenchOffsets offsets)
        {
            switch (_kind)
            {
                case BenchKind.Read:
                    Read(offsets.Next(), _blockBytes, 0);
                    break;
                case BenchKind.PartialHit:
                    Read(offsets.Next(), 2 * _blockBytes, 0);
                    break;
                case BenchKind.ReadMiss:
                    long offset = offsets.Next();
                    _backing!.ReadSpan(offset, _blockBytes).CopyTo(Block(_blockBytes));
                    Write(offset, _blockBytes, 0);
                    break;
                case BenchKind.SmallWrite or BenchKind.SmallWriteBuffered:
                    int lengthBytes = offsets.NextAppend();
                    Write(_position, lengthBytes, 0);
                    _position += lengthBytes;
                    break;
                case BenchKind.BatchWrite:
                    for (int i = 0; i < BenchPattern.BatchBlocks; i++)
                    {
                        Write(offsets.Next(), _blockBytes, i);
                    }

                    break;
                case BenchKind.BatchRead:
                    for (int i = 0; i < BenchPattern.BatchBlocks; i++)
                    {
                        Read(offsets.Next(), _blockBytes, i);
                    }

                    break;
                default:
                    Write(offsets.Next(), _blockBytes, 0);
                    break;
            }
        }

        public override void Dispose()
        {
        }

        private void Read(long offset, int lengthBytes, int index) =>
            _region.ReadSpan(offset, lengthBytes).CopyTo(Block(lengthBytes, index));

        private void Write(long offset, int lengthBytes, int index)
        {
            _region.Write(offset, Block(lengthBytes, index));
            _region.Drain();
        }
    }
}
