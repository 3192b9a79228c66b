namespace PCache.Core.Indexing;

/// <summary>
/// Chooses extents. Implemented by structs, so that the call is inlined; it may keep state, and is asked once about
/// each extent, in order.
/// </summary>
internal interface IExtentFilter
{
    /// <summary>
    /// Whether <paramref name="extent"/> is meant. It is only the first page or sector of the extent inside the range
    /// in question: what it is, not how long it is.
    /// </summary>
    bool Matches(in Extent extent);
}
