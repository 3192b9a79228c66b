namespace PCache.Core.Indexing;

/// <summary>Which logged key an extent comes from: its range and where its payload lies.</summary>
internal readonly record struct ExtentIdentity(
    uint Segment, ulong Generation, int PayloadSector, int KeyStart, int KeyLength)
{
    /// <summary>The identity of the key that <paramref name="extent"/> is (a part of).</summary>
    public static ExtentIdentity Of(in Extent extent) =>
        new(extent.Segment, extent.Generation, extent.PayloadSector - (extent.Start - extent.KeyStart), extent.KeyStart,
            extent.KeyLength);
}

/// <summary>Matches the extents that come from one key.</summary>
internal struct SameKeyFilter(ExtentIdentity identity) : IExtentFilter
{
    /// <summary>Whether shared payload counts too.</summary>
    public bool MatchShared;

    public readonly bool Matches(in Extent extent) =>
        (extent.Flags & (ExtentFlags.Gap | ExtentFlags.Placeholder)) == 0
        && (MatchShared || (extent.Flags & ExtentFlags.Shared) == 0)
        && ExtentIdentity.Of(in extent) == identity;
}

/// <summary>Matches the placeholders of one miss.</summary>
internal readonly struct PlaceholderFilter(ulong id) : IExtentFilter
{
    public bool Matches(in Extent extent) => extent.IsPlaceholder && extent.Generation == id;
}

/// <summary>Matches payload that the backing has too.</summary>
internal readonly struct CleanFilter : IExtentFilter
{
    public bool Matches(in Extent extent) => extent.IsClean;
}

/// <summary>Matches every placeholder.</summary>
internal readonly struct AnyPlaceholderFilter : IExtentFilter
{
    public bool Matches(in Extent extent) => extent.IsPlaceholder;
}
