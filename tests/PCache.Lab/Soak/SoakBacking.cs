using PCache.Core;
using PCache.Core.Primitives;

namespace PCache.Lab.Soak;

/// <summary>
/// A backing in memory that is slow and fails now and then. Keeps true: each call takes effect as a whole, and none
/// while the world is stopped; a call that fails has taken effect or hasn't, as with a real disk; breaches of the block
/// size and of the length are kept in <see cref="Violation"/>.
/// </summary>
internal sealed class SoakBacking : IBlockDevice
{
    private readonly SteadyLock _lock = new();
    private readonly WorldGate _gate;
    private readonly SparseBytes _content;
    private int _calls;

    public SoakBacking(WorldGate gate, long length, int blockSize, bool canDiscard)
        : this(gate, new SparseBytes(length), blockSize, canDiscard)
    {
    }

    private SoakBacking(WorldGate gate, SparseBytes content, int blockSize, bool canDiscard)
    {
        _gate = gate;
        _content = content;
        BlockSize = blockSize;
        CanDiscard = canDiscard;
    }

    /// <summary>One call in this many fails; 0: none.</summary>
    public int FailEvery { get; set; }

    /// <summary>Failures so far.</summary>
    public int Failures { get; private set; }

    /// <summary>The first thing that the caller did wrong.</summary>
    public string? Violation { get; private set; }

    public long Length
    {
        get
        {
            using (_lock.Hold())
            {
                return _content.Length;
            }
        }
    }

    public int BlockSize { get; }

    public bool CanWrite => true;

    public bool CanResize => true;

    public bool CanDiscard { get; }

    /// <summary>A backing of its own with this one's content; no thread may hold the gate's other side.</summary>
    public SoakBacking Copy(WorldGate gate)
    {
        using (_lock.Hold())
        {
            return new SoakBacking(gate, _content.Clone(), BlockSize, CanDiscard);
        }
    }

    /// <summary>The content of a range, whatever fails.</summary>
    public void Peek(long offset, Span<byte> buffer)
    {
        using (_lock.Hold())
        {
            _content.Read(offset, buffer);
        }
    }

    public int Read(long offset, Span<byte> buffer)
    {
        bool failsLate = Begin();
        int count;
        using (_lock.Hold())
        {
            Check("read", offset, buffer.Length, mayPassEnd: true);
            count = (int)Math.Clamp(_content.Length - offset, 0, buffer.Length);
            _content.Read(offset, buffer[..count]);
        }

        return failsLate ? throw Fault() : count;
    }

    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken =
        default)
    {
        await Delay(cancellationToken).ConfigureAwait(false);
        return Read(offset, buffer.Span);
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        bool failsLate = Begin();
        _gate.Enter();
        try
        {
            using (_lock.Hold())
            {
                Check("write", offset, buffer.Length, mayPassEnd: false);
                _content.Write(offset, buffer);
            }
        }
        finally
        {
            _gate.Exit();
        }

        if (failsLate)
        {
            throw Fault();
        }
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability =
        WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        await Delay(cancellationToken).ConfigureAwait(false);
        Write(offset, buffer.Span, durability);
    }

    public void Flush()
    {
        if (Begin())
        {
            throw Fault();
        }
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        await Delay(cancellationToken).ConfigureAwait(false);
        Flush();
    }

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
        Write(offset, new byte[length], durability);

    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability =
        WriteDurability.Normal, CancellationToken cancellationToken = default) =>
        WriteAsync(offset, new byte[length], durability, cancellationToken);

    /// <summary>What is discarded is garbage, so that no reader takes it for zeros.</summary>
    public void Discard(long offset, long length)
    {
        byte[] garbage = new byte[Math.Clamp(Length - offset, 0, length)];
        garbage.AsSpan().Fill(0xDD);
        Write(offset, garbage);
    }

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default)
    {
        Discard(offset, length);
        return ValueTask.CompletedTask;
    }

    public void SetLength(long length)
    {
        bool failsLate = Begin();
        _gate.Enter();
        try
        {
            using (_lock.Hold())
            {
                _content.SetLength(length);
            }
        }
        finally
        {
            _gate.Exit();
        }

        if (failsLate)
        {
            throw Fault();
        }
    }

    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default)
    {
        await Delay(cancellationToken).ConfigureAwait(false);
        SetLength(length);
    }

    public void Dispose()
    {
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static async ValueTask Delay(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await Task.Yield();
    }

    /// <summary>Fails, or says whether to fail once the call has taken effect.</summary>
    private bool Begin()
    {
        int call = Interlocked.Increment(ref _calls);
        if (call % 16 == 0)
        {
            Thread.Yield();
        }

        if (FailEvery == 0 || call % FailEvery != 0)
        {
            return false;
        }

        return call / FailEvery % 2 == 0 ? true : throw Fault();
    }

    private IOException Fault()
    {
        Failures++;
        return new IOException("planned failure of the backing");
    }

    private void Check(string what, long offset, long length, bool mayPassEnd)
    {
        if (offset % BlockSize != 0 || (length % BlockSize != 0 && offset + length != _content.Length)
            || (!mayPassEnd && offset + length > _content.Length))
        {
            Violation ??= $"{what} of {offset}+{length} on a backing of {_content.Length} bytes in blocks of "
                + $"{BlockSize}";
        }
    }
}
