using System.Runtime.InteropServices;
using PCache.Core;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// Persistent memory that knows what is durable, can lose power at any moment, and can go bad.
/// </summary>
/// <remarks>
/// <para>
/// The fault model: a store changes memory at once, and reaches the medium at any time or never, until its range was
/// flushed and a later drain has returned. At a power cut each 8-byte word that isn't durable holds, independently of
/// all others, its durable value or any value that was stored into it since. A flush covers the words of its range
/// and no more, though a processor flushes whole lines. A kill of the process loses nothing that was stored, and
/// makes nothing durable either. Bytes beyond that don't change by themselves, but for <see cref="Poison"/> and
/// <see cref="FlipBit"/>.
/// </para>
/// <para>
/// Keeps true: <c>memory == durable</c> outside the open words, and in them memory holds the newest version. All
/// members are thread-safe (one lock) but for the disposal; hooks run outside that lock, on the caller's thread.
/// </para>
/// </remarks>
public sealed unsafe partial class SimulatedPmem : PmemRegion
{
    /// <summary>What a poisoned line shows.</summary>
    internal const byte PoisonByte = 0xA5;

    private const int WordBytes = 8;
    private const int LineBytes = 64;
    private const int PageBytes = 4096;

    private static readonly byte[] Zeros = new byte[PageBytes];

    private readonly SteadyLock _gate = new(LockRank.Medium);
    private readonly OpenWords _open;
    private readonly Action<int, ulong> _makeDurable;
    private readonly long[] _changed; // by page: when it was last changed, by the clock below
    private readonly HashSet<long> _poisoned = [];
    private byte* _memory;
    private byte* _durable;
    private long _clock = 1;
    private SimulatedPmem? _copyOf;
    private long _copiedAt;
    private long _copiedAtOwn;

    private SimulatedPmem(nint memory, long lengthBytes, bool drainIsCheap)
        : base(memory, lengthBytes, Persistence.Assumed, isPowerSafe: true, isReadOnly: false)
    {
        _memory = (byte*)memory;
        _durable = (byte*)ReusedMemory.Take(Rounded(lengthBytes));
        _open = new OpenWords((int)(Rounded(lengthBytes) / WordBytes));
        _changed = new long[Rounded(lengthBytes) / PageBytes];
        _makeDurable = MakeDurable;
        DrainIsCheap = drainIsCheap;
        GC.AddMemoryPressure(2 * Rounded(lengthBytes));
    }

    /// <summary>Releases the memory of a region that wasn't disposed: a simulated machine is simply dropped.</summary>
    ~SimulatedPmem() => Dispose(false);

    /// <summary>
    /// Called before every store, flush and drain, on the thread that makes it. What it throws, the call throws, and
    /// nothing happened.
    /// </summary>
    public Action<PmemEvent>? BeforeEvent { get; set; }

    /// <summary>
    /// Called before every read of metadata, with offset and length in bytes, on the thread that makes it. What it
    /// throws, the read throws: the line is unreadable.
    /// </summary>
    internal Action<long, int>? BeforeMetadataRead { get; set; }

    /// <summary>
    /// Makes every drain fail with this until it is null again; what was flushed stays undecided, and goes along with
    /// the next drain that succeeds.
    /// </summary>
    public Exception? DrainError { get; set; }

    /// <inheritdoc/>
    public override bool DrainIsCheap { get; }

    /// <summary>Number of 8-byte words whose content after a power cut now isn't decided.</summary>
    public int OpenWordCount
    {
        get
        {
            using (_gate.Hold())
            {
                return _open.Count;
            }
        }
    }

    /// <summary>The open words; for the explorer, on one thread.</summary>
    internal OpenWords Open => _open;

    /// <summary>Makes a region of zeros.</summary>
    /// <param name="lengthBytes">Length in bytes, 1 to 1 GiB.</param>
    /// <param name="drainIsCheap">False: drains are dear, as those of msync are, so that payload is drained together
    /// with the keys.</param>
    /// <exception cref="ArgumentOutOfRangeException">The length is out of range.</exception>
    public static SimulatedPmem Allocate(long lengthBytes, bool drainIsCheap = true)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lengthBytes, 1 << 30);
        SimulatedPmem region = Take(lengthBytes, drainIsCheap);
        region.SetContent([]);
        return region;
    }

    /// <summary>Makes a region that holds <paramref name="image"/>, all of it durable.</summary>
    /// <param name="image">The content.</param>
    /// <param name="drainIsCheap">See <see cref="Allocate"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The image is empty or above 1 GiB.</exception>
    public static SimulatedPmem FromImage(ReadOnlySpan<byte> image, bool drainIsCheap = true)
    {
        ArgumentOutOfRangeException.ThrowIfZero(image.Length, nameof(image));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(image.Length, 1 << 30, nameof(image));
        SimulatedPmem region = Take(image.Length, drainIsCheap);
        region.SetContent(image);
        return region;
    }

    /// <summary>What runs there may use other devices, and this one as another thread would.</summary>
    private void Tell(PmemEvent what)
    {
        if (BeforeEvent is { } told)
        {
            using LockOrder.Apart aside = LockOrder.Aside();
            told(what);
        }
    }

    /// <inheritdoc/>
    public override void Write(long offset, ReadOnlySpan<byte> source)
    {
        Tell(PmemEvent.Store);
        using (_gate.Hold())
        {
            Check(offset, source.Length);
            Store(offset, source);
        }
    }

    /// <inheritdoc/>
    public override uint WriteWithCrc(long offset, ReadOnlySpan<byte> source, uint crc)
    {
        Tell(PmemEvent.Store);
        using (_gate.Hold())
        {
            Check(offset, source.Length);
            Store(offset, source);
            uint stored = Crc32C.Append(crc, Bytes(offset, source.Length));
            GC.KeepAlive(this);
            return stored;
        }
    }

    /// <inheritdoc/>
    public override void WriteZeros(long offset, long lengthBytes)
    {
        Tell(PmemEvent.Store);
        using (_gate.Hold())
        {
            Check(offset, lengthBytes);
            for (long done = 0; done < lengthBytes;)
            {
                int n = (int)Math.Min(PageBytes - ((offset + done) % PageBytes), lengthBytes - done);
                Store(offset + done, Zeros.AsSpan(0, n));
                done += n;
            }
        }
    }

    /// <inheritdoc/>
    public override void FlushRange(long offset, long lengthBytes)
    {
        Tell(PmemEvent.Flush);
        using (_gate.Hold())
        {
            Check(offset, lengthBytes);
            if (lengthBytes > 0)
            {
                _open.Flush((int)(offset / WordBytes), (int)(RoundUp(offset + lengthBytes, WordBytes) / WordBytes));
            }
        }
    }

    /// <inheritdoc/>
    public override void Drain()
    {
        Tell(PmemEvent.Drain);
        using (_gate.Hold())
        {
            Check(0, 0);
            if (DrainError is not null)
            {
                throw DrainError;
            }

            _open.Drain(_makeDurable);
        }
    }

    /// <inheritdoc/>
    public override void ReadMetadata(long offset, Span<byte> destination)
    {
        BeforeMetadataRead?.Invoke(offset, destination.Length);
        using (_gate.Hold())
        {
            Check(offset, destination.Length);
            if (_poisoned.Count > 0 && destination.Length > 0)
            {
                for (long line = offset / LineBytes; line * LineBytes < offset + destination.Length; line++)
                {
                    if (_poisoned.Contains(line))
                    {
                        throw new IOException($"Poisoned line at device offset {line * LineBytes}.");
                    }
                }
            }

            Bytes(offset, destination.Length).CopyTo(destination);
            GC.KeepAlive(this);
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (_memory is null)
        {
            return;
        }

        ReusedMemory.Give((nint)_memory, Rounded(LengthBytes));
        ReusedMemory.Give((nint)_durable, Rounded(LengthBytes));
        _memory = _durable = null;
        Memory = null;
        GC.RemoveMemoryPressure(2 * Rounded(LengthBytes));
    }

    private static SimulatedPmem Take(long lengthBytes, bool drainIsCheap) =>
        new(ReusedMemory.Take(Rounded(lengthBytes)), lengthBytes, drainIsCheap);

    /// <summary>Content, durable too; zeros behind it.</summary>
    private void SetContent(ReadOnlySpan<byte> content)
    {
        foreach (nint memory in (ReadOnlySpan<nint>)[(nint)_memory, (nint)_durable])
        {
            var whole = new Span<byte>((byte*)memory, (int)Rounded(LengthBytes));
            content.CopyTo(whole);
            whole[content.Length..].Clear();
        }
    }

    private static long Rounded(long lengthBytes) => RoundUp(lengthBytes, PageBytes);

    private static long RoundUp(long value, int to) => (value + to - 1) / to * to;

    private void MakeDurable(int word, ulong value)
    {
        ((ulong*)_durable)[word] = value;
        _changed[word * WordBytes / PageBytes] = ++_clock;
    }

    private void Store(long offset, ReadOnlySpan<byte> source)
    {
        Span<byte> target = new(_memory + offset, source.Length);
        int same = target.CommonPrefixLength(source);
        if (_poisoned.Count > 0)
        {
            HealStored(offset, source.Length);
        }

        if (same == source.Length)
        {
            return;
        }

        // Word by word from the first difference on; whole runs of equal bytes are skipped fast.
        long end = offset + source.Length;
        long marked = -1;
        for (long at = (offset + same) / WordBytes * WordBytes; at < end; at += WordBytes)
        {
            ulong* word = (ulong*)(_memory + at);
            ulong before = *word;
            ulong after = before;
            int rest = (int)(at - offset);
            if (rest >= 0 && end - at >= WordBytes)
            {
                after = MemoryMarshal.Read<ulong>(source[rest..]);
            }
            else
            {
                int from = Math.Max(0, -rest);
                int to = (int)Math.Min(WordBytes, end - at);
                source.Slice(rest + from, to - from).CopyTo(new Span<byte>((byte*)&after + from, to - from));
            }

            if (after != before)
            {
                *word = after;
                _open.Store((int)(at / WordBytes), after);
                if (at / PageBytes != marked)
                {
                    marked = at / PageBytes;
                    _changed[marked] = ++_clock;
                }
            }
            else if (rest >= 0)
            {
                // At least this word is equal, unless the source is just changing.
                at += Math.Max(0, (target[rest..].CommonPrefixLength(source[rest..]) / WordBytes) - 1) * WordBytes;
            }
        }

        GC.KeepAlive(this);
    }

    private Span<byte> Bytes(long offset, int lengthBytes) => new(_memory + offset, lengthBytes);

    private void Check(long offset, long lengthBytes)
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(lengthBytes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, LengthBytes - lengthBytes);
    }
}
