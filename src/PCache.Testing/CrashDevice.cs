using System.Globalization;
using PCache.Core;

namespace PCache.Testing;

/// <summary>
/// What the application gets: the machine's device, each call traced, at most one of them failing as planned. Keeps
/// true: calls are numbered from 0 in the order in which they are made; a disposed device takes no calls.
/// </summary>
internal sealed class CrashDevice(IBlockDevice inner, CrashMachine machine, CrashFault? fault) : IBlockDevice
{
    private int _calls;
    private bool _disposed;

    /// <summary>Whether the planned call has failed.</summary>
    public bool HasFailed { get; private set; }

    public long Length => inner.Length;

    public int BlockSize => inner.BlockSize;

    public bool CanWrite => inner.CanWrite;

    public bool CanResize => inner.CanResize;

    public bool CanDiscard => inner.CanDiscard;

    /// <summary>Marks calls with forced unit access.</summary>
    public static string Fua(WriteDurability durability) => durability == WriteDurability.ForceUnitAccess ? " FUA" : "";

    public int Read(long offset, Span<byte> buffer)
    {
        CrashFaultKind? fails = Enter(string.Create(CultureInfo.InvariantCulture, $"read {offset}+{buffer.Length}"));
        int read = inner.Read(offset, buffer);
        Leave(fails);
        return read;
    }

    public ValueTask<int> ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(Read(offset, buffer.Span));
    }

    public void Write(long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        CrashFaultKind? fails = Enter(
            string.Create(CultureInfo.InvariantCulture, $"write {offset}+{buffer.Length}{Fua(durability)}"));
        if (fails == CrashFaultKind.Half)
        {
            int unit = Math.Max(DiskState.SectorBytes, BlockSize);
            inner.Write(offset, buffer[..(buffer.Length / 2 / unit * unit)]);
        }
        else
        {
            inner.Write(offset, buffer, durability);
        }

        Leave(fails);
    }

    public ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(offset, buffer.Span, durability);
        return ValueTask.CompletedTask;
    }

    public void Flush() => Call("flush", inner.Flush);

    public ValueTask FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Flush();
        return ValueTask.CompletedTask;
    }

    public void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal) =>
        Call(string.Create(CultureInfo.InvariantCulture, $"write zeros {offset}+{length}{Fua(durability)}"),
            () => inner.WriteZeroes(offset, length, durability));

    public ValueTask WriteZeroesAsync(long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        WriteZeroes(offset, length, durability);
        return ValueTask.CompletedTask;
    }

    public void Discard(long offset, long length) =>
        Call(string.Create(CultureInfo.InvariantCulture, $"discard {offset}+{length}"),
            () => inner.Discard(offset, length));

    public ValueTask DiscardAsync(long offset, long length, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Discard(offset, length);
        return ValueTask.CompletedTask;
    }

    public void SetLength(long length) =>
        Call(string.Create(CultureInfo.InvariantCulture, $"set length {length}"), () => inner.SetLength(length));

    public ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        SetLength(length);
        return ValueTask.CompletedTask;
    }

    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            machine.Trace.Add("dispose");
            machine.Close();
        }
    }

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    private void Call(string what, Action call)
    {
        CrashFaultKind? fails = Enter(what);
        if (fails != CrashFaultKind.Half)
        {
            call();
        }

        Leave(fails);
    }

    /// <summary>Throws if the call fails before it has an effect; else says how it will fail.</summary>
    private CrashFaultKind? Enter(string what)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        bool fails = _calls++ == fault?.Call;
        machine.Trace.Add(fails ? $"{what}, made to fail ({fault!.Name})" : what);
        HasFailed |= fails;
        return !fails ? null : fault!.Kind == CrashFaultKind.Before ? throw Planned() : fault.Kind;
    }

    private void Leave(CrashFaultKind? fails)
    {
        machine.Breathe();
        if (fails is not null)
        {
            throw Planned();
        }
    }

    private IOException Planned() => new($"Planned fault of call {fault!.Call}.");
}
