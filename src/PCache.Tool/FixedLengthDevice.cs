// Keeps true: the backing's length is what it was when it was opened. A cache that the command binds is bound to that
// very length, so that a file which is merely longer counts as another backing; the command never grows a backing
// anyway. What has reached the backing is counted, also before a call that fails.
using PCache.Core;

namespace PCache.Tool;

/// <summary>A backing that doesn't grow.</summary>
internal sealed class FixedLengthDevice(IBlockDevice inner) : DelegatingDevice(inner)
{
    private long _written;

    public override bool CanResize => false;

    public override void SetLength(long length) =>
        throw new NotSupportedException("The command doesn't change the length of a backing.");

    public override ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("The command doesn't change the length of a backing.");

    /// <summary>Bytes that writes which have returned brought to the backing.</summary>
    public long WrittenBytes => Volatile.Read(ref _written);

    public override void Write(
        long offset, ReadOnlySpan<byte> buffer, WriteDurability durability = WriteDurability.Normal)
    {
        base.Write(offset, buffer, durability);
        Interlocked.Add(ref _written, buffer.Length);
    }

    public override async ValueTask WriteAsync(
        long offset, ReadOnlyMemory<byte> buffer, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        await base.WriteAsync(offset, buffer, durability, cancellationToken).ConfigureAwait(false);
        Interlocked.Add(ref _written, buffer.Length);
    }

    public override void WriteZeroes(long offset, long length, WriteDurability durability = WriteDurability.Normal)
    {
        base.WriteZeroes(offset, length, durability);
        Interlocked.Add(ref _written, length);
    }

    public override async ValueTask WriteZeroesAsync(
        long offset, long length, WriteDurability durability = WriteDurability.Normal,
        CancellationToken cancellationToken = default)
    {
        await base.WriteZeroesAsync(offset, length, durability, cancellationToken).ConfigureAwait(false);
        Interlocked.Add(ref _written, length);
    }
}
