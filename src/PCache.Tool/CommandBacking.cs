// Keeps true: the backing's length is what it was when it was opened, unless its cache belongs to a backing that can
// grow, and its log says that the device has. A cache that the command binds is bound to the length as it is, so that a
// file which is merely longer counts as another backing. What has reached the backing is counted, also before a call
// that fails.
using PCache.Core;
using PCache.Core.Layout;

namespace PCache.Tool;

/// <summary>The backing of a command.</summary>
internal sealed class CommandBacking(IBlockDevice inner) : DelegatingDevice(inner)
{
    private bool _mayGrow;
    private long _written;

    public override bool CanResize => _mayGrow && base.CanResize;

    public override void SetLength(long length)
    {
        RequireGrowth(length);
        base.SetLength(length);
    }

    public override ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default)
    {
        RequireGrowth(length);
        return base.SetLengthAsync(length, cancellationToken);
    }

    /// <summary>Before the cache is opened: whether it belongs to a backing that can grow.</summary>
    public void FollowCache(ExtensionBlock? block) =>
        _mayGrow = block is { } known && (known.Flags & ExtensionBlocks.ResizableBackingFlag) != 0;

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

    private void RequireGrowth(long length)
    {
        if (!_mayGrow || length < Length)
        {
            throw new NotSupportedException("A command makes a backing longer for its cache only, and cuts none.");
        }
    }
}
