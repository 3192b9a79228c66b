// Keeps true: the backing's length is what it was when it was opened. A cache that the command binds is bound to that very length, so that a file which is
// merely longer counts as another backing; the command never grows a backing anyway.
using PCache.Core;

namespace PCache.Tool;

/// <summary>A backing that doesn't grow.</summary>
internal sealed class FixedLengthDevice(IBlockDevice inner) : DelegatingDevice(inner)
{
    public override bool CanResize => false;

    public override void SetLength(long length) => throw new NotSupportedException("The command doesn't change the length of a backing.");

    public override ValueTask SetLengthAsync(long length, CancellationToken cancellationToken = default) =>
        throw new NotSupportedException("The command doesn't change the length of a backing.");
}
