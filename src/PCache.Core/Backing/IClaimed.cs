namespace PCache.Core.Backing;

/// <summary>A device that is only a view of something else: two of one thing are one backing.</summary>
internal interface IClaimed
{
    /// <summary>What it is a view of, as it is now.</summary>
    object ClaimedObject { get; }
}
