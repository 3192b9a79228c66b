namespace PCache.Core.Tests.Support;

public enum BackingCall
{
    Read,
    Write,
    Flush,
    WriteZeroes,
    Discard,
    SetLength,
}

/// <summary>One call of the backing.</summary>
public sealed record BackingEvent(BackingCall Call, long Offset, long LengthBytes);

/// <summary>
/// A backing in memory that watches its caller and plays faults. Keeps true: every breach of the block size and every write past the end is kept in
/// <see cref="Violations"/>; hooks run outside its lock, on the caller's thread. A change of length is
/// durable at once, writes are after a flush.
/// </summary>
internal sealed class ScriptedBacking : IBlockDevice
{
    private readonly Lock _gate = new();
    private readonly List<string> _violations = [];
    private readonly List<Hold> _holds = [];
    private readonly int[] _calls = new int[6];
    private readonly List<(long Offset, long LengthBytes)> _unflushed = [];
    private readonly SparseBytes _content;
    private readonly SparseBytes _durable;
    private bool _disposed;

    public ScriptedBacking(long length, int blockSize = 1, bool canResize = false)
        : this(new SparseBytes(length), blockSize, canResize)
    {
    }

    public ScriptedBacking(byte[] content, int blockSize = 1, bool canResize = false)
        : this(Sparse(content), blockSize, canResize)
    {
    }

    private ScriptedBacking(SparseBytes content, int blockSize, bool canResize)
    {
        _content = content;
        _durable = content.Clone();
        BlockSize = blockSize;
        CanResize = canResize;
    }

    /// <summary>Called before a call takes effect; what it returns is thrown.</summary>
    public Func<BackingEvent, Exception?>? Fail { get; set; }

    /// <summary>Called before a call takes effect (after <see cref="Fail"/>).</summary>
    public Action<BackingEvent>? Before { get; set; }

    /// <summary>Called after a call took effect.</summary>
    public Action<BackingEvent>? After { get; set; }

    public long Length
    {
        get
        {
            lock (_gate)
            {
                return _content.Length;
            }
        }
    }

    public int BlockSize { get; }

    public bool CanWrite { get; init; } = true;

    public bool CanResize { get; }

    public bool CanDiscard { get; init; }

    public bool IsDisposed => _disposed;

    public IReadOnlyList<string> Violations
    {
        get
        {
            lock (_gate)
            {
                return [.. _violations];
            }
        }
    }

    public int Calls(BackingCall call) => Volatile.Read(ref _calls[(int)call]);

    /// <summary>The content now.</summary>
    public byte[] Snapshot()
    {
        lock (_gate)
        {
            var bytes = new byte[_content.Length];
            _content.Read(0, bytes);
            return bytes;
        }
    }

    /// <summary>Another backing with this one's content now.</summary>
    public ScriptedBacking Copy()
    {
        lock (_gate)
        {
            return new ScriptedBacking(_content.Clone(), BlockSize, CanResize) { CanDiscard = CanDiscard };
        }
    }

    /// <summary>Reads without being a call.</summary>
    public byte[] Peek(long offset, int length)
    {
        lock (_gate)
        {
            var bytes = new byte[length];
            _content.Read(offset, bytes);
            return bytes;
        }
    }

    /// <summary>Another backing with what a power cut now may leave: of what was written since the last flush, each sector is old or new.</summary>
    public ScriptedBacking CopyAfterPowerCut(Random random)
    {
        lock (_gate)
        {
            SparseBytes left = _durable.Clone();
            int newPercent = new[] { 0, 50, 100 }[random.Next(3)];
            foreach ((long offset, long length) in _unflushed)
            {
                for (long sector = offset / 512 * 512; sector < offset + length; sector += 512)
                {
                    if (random.Next(100) < newPercent)
                    {
                        left.CopyFrom(_content, sector, 512);
                    }
                }
            }

            return new ScriptedBacking(left, BlockSize, CanResize) { CanDiscard = CanDiscard };
        }
    }

    /// <summary>Makes all calls of a kind hang, from the next on, until the hold is released.</summary>
    public Hold HoldCalls(BackingCall call, bool afterEffect = false)
    {
        var hold = new Hold(call, afterEffect);
        lock (_gate)
        {
            _holds.Add(hold);
        }

        return hold;
    }

    public int Read(long offset, Span<byte> buffer)
    {
        var call = new BackingEvent(BackingCall.Read, offset, buffer.Length);
        Enter(call).GetAwaiter().GetResult();
        int read = ReadNow(offset, buffer);
        Leave(call).GetAwaiter().GetResult();
        return read;
    }

    public async ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var call = new BackingEvent(BackingCall.Read, offset, buffer.Length);
        await Enter(call);
        int read = ReadNow(offset, buffer.Span);
        await Leave(call);
        return read;
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        var call = new BackingEvent(BackingCall.Write, offset, buffer.Length);
        Enter(call).GetAwaiter().GetResult();
        WriteNow(offset, buffer);
        Leave(call).GetAwaiter().GetResult();
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default)
    {
        var call = new BackingEvent(BackingCall.Write, offset, buffer.Length);
        await Enter(call);
        WriteNow(offset, buffer.Span);
        await Leave(call);
    }

    public void Flush() => Whole(new BackingEvent(BackingCall.Flush, 0, 0), static (d, _) => d.FlushNow()).GetAwaiter().GetResult();

    public async ValueTask FlushAsync(CancellationToken cancellationToken = default) =>
        await Whole(new BackingEvent(BackingCall.Flush, 0, 0), static (d, _) => d.FlushNow());

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
        Whole(new BackingEvent(BackingCall.WriteZeroes, offset, length), static (d, e) => d.WriteNow(e.Offset, new byte[e.LengthBytes])).GetAwaiter().GetResult();

    public async ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal, CancellationToken cancellationToken = default) =>
        await Whole(new BackingEvent(BackingCall.WriteZeroes, offset, length), static (d, e) => d.WriteNow(e.Offset, new byte[e.LengthBytes]));

    public void Discard(long offset, long length) =>
        Whole(new BackingEvent(BackingCall.Discard, offset, length), static (d, e) => d.DiscardNow(e.Offset, e.LengthBytes)).GetAwaiter().GetResult();

    public async ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default) =>
        await Whole(new BackingEvent(BackingCall.Discard, offset, length), static (d, e) => d.DiscardNow(e.Offset, e.LengthBytes));

    public void SetLength(long length) =>
        Whole(new BackingEvent(BackingCall.SetLength, length, 0), static (d, e) => d.SetLengthNow(e.Offset)).GetAwaiter().GetResult();

    public async ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        await Whole(new BackingEvent(BackingCall.SetLength, length, 0), static (d, e) => d.SetLengthNow(e.Offset));

    public void Dispose() => _disposed = true;

    public ValueTask DisposeAsync()
    {
        _disposed = true;
        return ValueTask.CompletedTask;
    }

    private static SparseBytes Sparse(byte[] content)
    {
        var sparse = new SparseBytes(content.Length);
        sparse.Write(0, content);
        return sparse;
    }

    private async Task Whole(BackingEvent call, Action<ScriptedBacking, BackingEvent> effect)
    {
        await Enter(call);
        effect(this, call);
        await Leave(call);
    }

    private async Task Enter(BackingEvent call)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        Interlocked.Increment(ref _calls[(int)call.Call]);
        if (Fail?.Invoke(call) is { } error)
        {
            throw error;
        }

        Before?.Invoke(call);
        await Held(call, afterEffect: false);
    }

    private async Task Leave(BackingEvent call)
    {
        After?.Invoke(call);
        await Held(call, afterEffect: true);
    }

    private Task Held(BackingEvent call, bool afterEffect)
    {
        Hold? hold;
        lock (_gate)
        {
            hold = _holds.Find(h => h.Call == call.Call && h.AfterEffect == afterEffect && !h.IsReleased);
        }

        return hold is null ? Task.CompletedTask : hold.Wait();
    }

    private int ReadNow(long offset, Span<byte> buffer)
    {
        lock (_gate)
        {
            CheckAligned("read", offset, buffer.Length);
            int count = (int)Math.Clamp(_content.Length - offset, 0, buffer.Length);
            _content.Read(offset, buffer[..count]);
            return count;
        }
    }

    private void WriteNow(long offset, ReadOnlySpan<byte> buffer)
    {
        lock (_gate)
        {
            CheckAligned("write", offset, buffer.Length);
            if (offset + buffer.Length > _content.Length)
            {
                string violation = $"write of {offset}+{buffer.Length} past the end {_content.Length}";
                _violations.Add(violation);
                throw new IOException(violation);
            }

            _content.Write(offset, buffer);
            _unflushed.Add((offset, buffer.Length));
        }
    }

    private void FlushNow()
    {
        lock (_gate)
        {
            foreach ((long offset, long length) in _unflushed)
            {
                _durable.CopyFrom(_content, offset, length);
            }

            _unflushed.Clear();
        }
    }

    private void DiscardNow(long offset, long length)
    {
        lock (_gate)
        {
            CheckAligned("discard", offset, length);
            int count = (int)Math.Clamp(_content.Length - offset, 0, length);
            _content.Write(offset, Enumerable.Repeat((byte)0xDD, count).ToArray());
            _unflushed.Add((offset, count));
        }
    }

    private void SetLengthNow(long length)
    {
        lock (_gate)
        {
            if (!CanResize)
            {
                throw new NotSupportedException();
            }

            _content.SetLength(length);
            _durable.SetLength(length);
            _unflushed.RemoveAll(range => range.Offset + range.LengthBytes > length);
        }
    }

    private void CheckAligned(string what, long offset, long length)
    {
        if (offset % BlockSize != 0 || (length % BlockSize != 0 && offset + length != _content.Length))
        {
            _violations.Add($"{what} of {offset}+{length} isn't a multiple of {BlockSize}");
        }
    }

    /// <summary>Calls that hang.</summary>
    internal sealed class Hold(BackingCall call, bool afterEffect)
    {
        private readonly TaskCompletionSource _reached = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource _released = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public BackingCall Call { get; } = call;

        public bool AfterEffect { get; } = afterEffect;

        public bool IsReleased => _released.Task.IsCompleted;

        /// <summary>Completes when a call hangs.</summary>
        public Task Reached => _reached.Task;

        public void Release() => _released.TrySetResult();

        internal Task Wait()
        {
            _reached.TrySetResult();
            return _released.Task;
        }
    }
}
