using System.Runtime.InteropServices;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Tests.Support;

/// <summary>
/// Memory as a region that can be "killed" or "cut off from power" between any two stores. Keeps true: <see cref="KillImage"/> is what a process
/// death leaves (every store so far); <see cref="PowerCutImage"/> is one of the states that a power cut may leave: what was flushed and drained is
/// there, of everything stored since, each 8-byte word is old or new (8-byte words, cache lines or pages go together).
/// </summary>
internal sealed unsafe class HookedRegion : PmemRegion
{
    private readonly Lock _gate = new();
    private readonly byte[] _durable;
    private readonly List<(long Offset, byte[] Bytes)> _flushing = [];
    private nint _memory;

    private HookedRegion(nint memory, long lengthBytes, bool drainIsCheap)
        : base(memory, lengthBytes, Persistence.Assumed, isPowerSafe: true, isReadOnly: false)
    {
        _memory = memory;
        _durable = new byte[lengthBytes];
        DrainIsCheap = drainIsCheap;
    }

    /// <summary>Called before every store, flush and drain, on the thread that makes it.</summary>
    public Action? BeforeEvent { get; set; }

    /// <summary>Called before every drain, on the thread that makes it.</summary>
    public Action? BeforeDrain { get; set; }

    /// <summary>Makes <see cref="Drain"/> fail.</summary>
    public Exception? DrainError { get; set; }

    public override bool DrainIsCheap { get; }

    public static HookedRegion Allocate(long lengthBytes, bool drainIsCheap = true)
    {
        void* memory = NativeMemory.AlignedAlloc((nuint)lengthBytes, 4096);
        NativeMemory.Clear(memory, (nuint)lengthBytes);
        return new HookedRegion((nint)memory, lengthBytes, drainIsCheap);
    }

    /// <summary>A region that holds <paramref name="image"/>, all of it durable.</summary>
    public static HookedRegion FromImage(ReadOnlySpan<byte> image, bool drainIsCheap = true)
    {
        HookedRegion region = Allocate(image.Length, drainIsCheap);
        image.CopyTo(new Span<byte>((void*)region._memory, image.Length));
        image.CopyTo(region._durable);
        return region;
    }

    public byte[] KillImage()
    {
        lock (_gate)
        {
            return new ReadOnlySpan<byte>((void*)_memory, (int)LengthBytes).ToArray();
        }
    }

    public byte[] PowerCutImage(Random random)
    {
        lock (_gate)
        {
            // What is new or old as a whole: a word, a cache line, a page. With pages, a kset easily gets ahead of its payload.
            byte[] image = (byte[])_durable.Clone();
            int newPercent = new[] { 0, 5, 50, 95, 100 }[random.Next(5)];
            int unit = new[] { 8, 64, 4096 }[random.Next(3)];
            var now = new ReadOnlySpan<byte>((void*)_memory, (int)LengthBytes);
            for (int page = 0; page < image.Length; page += 4096)
            {
                int end = Math.Min(page + 4096, image.Length);
                if (now[page..end].SequenceEqual(image.AsSpan(page, end - page)))
                {
                    continue;
                }

                for (int at = page; at < end; at += unit)
                {
                    if (random.Next(100) < newPercent)
                    {
                        now[at..Math.Min(at + unit, end)].CopyTo(image.AsSpan(at));
                    }
                }
            }

            return image;
        }
    }

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        BeforeEvent?.Invoke();
        lock (_gate)
        {
            source.CopyTo(Target(offset, source.Length));
        }
    }

    public override uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        BeforeEvent?.Invoke();
        lock (_gate)
        {
            Span<byte> target = Target(offset, source.Length);
            source.CopyTo(target);
            return Crc32C.Append(crc, target);
        }
    }

    public override void WriteZeros(long offset, long lengthBytes)
    {
        BeforeEvent?.Invoke();
        lock (_gate)
        {
            Target(offset, (int)lengthBytes).Clear();
        }
    }

    public override void FlushRange(long offset, long lengthBytes)
    {
        BeforeEvent?.Invoke();
        lock (_gate)
        {
            _flushing.Add((offset, Target(offset, (int)lengthBytes).ToArray()));
        }
    }

    public override void Drain()
    {
        BeforeEvent?.Invoke();
        BeforeDrain?.Invoke();
        lock (_gate)
        {
            if (DrainError is not null)
            {
                throw DrainError;
            }

            foreach ((long offset, byte[] bytes) in _flushing)
            {
                bytes.CopyTo(_durable, offset);
            }

            _flushing.Clear();
        }
    }

    public override void ReadMetadata(long offset, Span<byte> destination) => Target(offset, destination.Length).CopyTo(destination);

    protected override void Dispose(bool disposing)
    {
        if (_memory != 0)
        {
            NativeMemory.AlignedFree((void*)_memory);
            _memory = 0;
        }
    }

    private Span<byte> Target(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_memory == 0, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - length);
        return new Span<byte>((void*)(_memory + (nint)offset), length);
    }
}
