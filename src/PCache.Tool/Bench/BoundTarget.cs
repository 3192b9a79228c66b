// Keeps true: does the least that any cache on this memory has to do: one copy of the payload, and for a write one fence.
using PCache.Core.Pmem;

namespace PCache.Tool.Bench;

/// <summary>The bound: a copy with the region's own stores plus one fence; for reads a plain copy.</summary>
internal sealed class BoundTarget : BenchTarget
{
    private readonly PmemRegion _region;
    private readonly long _lengthBytes;
    private bool _touched;

    public BoundTarget(BenchPlaces places, long lengthBytes)
    {
        _lengthBytes = lengthBytes;
        _region = places.CreateRegion(lengthBytes);
    }

    public override string Name => "bound";

    public override void Prepare()
    {
        if (_touched)
        {
            return;
        }

        byte[] buffer = new byte[1 << 20];
        Random.Shared.NextBytes(buffer);
        for (long offset = 0; offset < _lengthBytes; offset += buffer.Length)
        {
            _region.Write(offset, buffer.AsSpan(0, (int)Math.Min(buffer.Length, _lengthBytes - offset)));
        }

        _region.Drain();
        _touched = true;
    }

    public override BenchWorker CreateWorker() => new Worker(_region);

    public override void Dispose() => _region.Dispose();

    private sealed class Worker(PmemRegion region) : BenchWorker
    {
        public override void Read(long offset, byte[] buffer) => region.ReadSpan(offset, buffer.Length).CopyTo(buffer);

        public override void Write(long offset, byte[] buffer)
        {
            region.Write(offset, buffer);
            region.Drain();
        }

        public override void Dispose()
        {
        }
    }
}
