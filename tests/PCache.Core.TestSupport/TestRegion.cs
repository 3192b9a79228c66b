using System.IO.MemoryMappedFiles;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Tests.Support;

/// <summary>
/// A region over anonymous, sparse memory, for tests of what is on the medium. Counts stores, and plays unreadable
/// ranges.
/// </summary>
internal sealed unsafe class TestRegion : PmemRegion
{
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly List<(long Offset, long Length)> _poisoned = [];
    private bool _disposed;

    private TestRegion(MemoryMappedFile file, MemoryMappedViewAccessor view, nint memory, long length, bool readOnly)
        : base(memory, length, Persistence.Volatile, isPowerSafe: false, readOnly)
    {
        _file = file;
        _view = view;
    }

    /// <summary>Number of stores so far.</summary>
    public int Stores { get; private set; }

    /// <summary>Called at the beginning of each drain.</summary>
    public Action? OnDrain { get; set; }

    public static TestRegion Create(long length, bool readOnly = false)
    {
        MemoryMappedFile file = MemoryMappedFile.CreateNew(null, Math.Max(length, 1));
        MemoryMappedViewAccessor view = file.CreateViewAccessor(0, Math.Max(length, 1));
        byte* pointer = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        return new TestRegion(file, view, (nint)pointer, length, readOnly);
    }

    public static TestRegion Of(ReadOnlySpan<byte> content, bool readOnly = false)
    {
        TestRegion region = Create(content.Length, readOnly);
        content.CopyTo(region.Bytes(0, content.Length));
        return region;
    }

    /// <summary>Direct access for a test that forges: not a store.</summary>
    public Span<byte> Bytes(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + length, LengthBytes);
        return new Span<byte>(Memory + offset, length);
    }

    public byte[] ToArray() => new ReadOnlySpan<byte>(Memory, checked((int)LengthBytes)).ToArray();

    /// <summary>Makes a range unreadable for <see cref="ReadMetadata"/>.</summary>
    public void Poison(long offset, long length) => _poisoned.Add((offset, length));

    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        CheckStore();
        source.CopyTo(Bytes(offset, source.Length));
    }

    public override uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        Write(offset, source);
        return Crc32C.Append(crc, Bytes(offset, source.Length));
    }

    public override void WriteZeros(long offset, long lengthBytes)
    {
        CheckStore();
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + lengthBytes, LengthBytes);
        for (long at = 0; at < lengthBytes; at += 1 << 20)
        {
            Span<byte> part = Bytes(offset + at, (int)Math.Min(1 << 20, lengthBytes - at));
            if (part.ContainsAnyExcept((byte)0))
            {
                part.Clear();
            }
        }
    }

    public override void FlushRange(long offset, long lengthBytes) =>
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + lengthBytes, LengthBytes);

    public override void Drain() => OnDrain?.Invoke();

    public override void ReadMetadata(long offset, Span<byte> destination)
    {
        if (offset < 0 || offset > LengthBytes - destination.Length)
        {
            throw new InvalidOperationException(
                $"Read outside the region: {offset}+{destination.Length} of {LengthBytes}.");
        }

        foreach ((long start, long length) in _poisoned)
        {
            if (offset < start + length && start < offset + destination.Length)
            {
                throw new IOException("poisoned");
            }
        }

        Bytes(offset, destination.Length).CopyTo(destination);
    }

    protected override void Dispose(bool disposing)
    {
        if (!_disposed)
        {
            _disposed = true;
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }

    private void CheckStore()
    {
        if (IsReadOnly)
        {
            throw new InvalidOperationException("A store into a read-only region.");
        }

        Stores++;
    }
}
