namespace PCache.Core.Indexing;

/// <summary>Chooses extents. Implemented by structs, so that the call is inlined; it may keep state, and is asked once about each extent, in order.</summary>
internal interface IExtentFilter
{
    /// <summary>Whether <paramref name="extent"/> is meant. It is the whole extent of the index, also where it sticks out of the range in question.</summary>
    bool Matches(in Extent extent);
}
