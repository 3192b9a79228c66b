namespace PCache.Core.Pmem;

/// <summary>What an opening of a cache file may do.</summary>
internal enum CacheFileUse
{
    /// <summary>Open one that exists.</summary>
    Open,

    /// <summary>Make one that doesn't.</summary>
    Create,

    /// <summary>Open it, or make it where it is missing or empty.</summary>
    OpenOrCreate,
}
