using System.Runtime.CompilerServices;

namespace PCache.Core.Primitives;

/// <summary>
/// A base class whose fields come first: what a derived class adds lies at least two cache lines (a line and its
/// prefetched neighbour) behind the begin of the object. Two such objects in a row therefore never share a line, as
/// long as one of them has no more fields of its own than fit in front of the next one's padding.
/// </summary>
internal abstract class CacheLinePadded
{
    private protected Padding Before;

    /// <summary>128 bytes.</summary>
    [InlineArray(16)]
    private protected struct Padding
    {
        private long _first;
    }
}
