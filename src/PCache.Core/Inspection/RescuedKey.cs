using PCache.Core.Layout;

namespace PCache.Core.Inspection;

/// <summary>What a rescued key is worth.</summary>
internal enum KeyVerdict : byte
{
    /// <summary>Its generation is its segment's.</summary>
    Live,

    /// <summary>Its segment has been given a later generation. It hides older keys, and never comes out.</summary>
    Dead,

    /// <summary>
    /// Its range is fine, but its payload's place is impossible or not on the device. It hides older keys.
    /// </summary>
    Unplaced,

    /// <summary>Its segment's generation isn't known; only its checksum can tell.</summary>
    Unjudged,
}

/// <summary>A key whose range is valid.</summary>
internal struct RescuedKey
{
    public CacheKey Key;
    public int Kset;
    public KeyVerdict Verdict;
}

/// <summary>A kset that was found, in log order.</summary>
internal struct RescuedKset
{
    public LogPosition Position;
    public KsetHeader Header;
    public int FirstKey;
    public int KeyCount;
    public bool IsDirty;

    /// <summary>
    /// It may be a leftover of an earlier use of the segment: its place behind damage is all that speaks for it.
    /// </summary>
    public bool IsSuspicious;

    public readonly int EndOffset => Position.Offset + MediaConstants.KsetHeaderSize
        + (Header.IsLast ? 0 : (int)Header.KeyCount * MediaConstants.KeySize);
}
