namespace PCache.Core;

/// <summary>What of a batch of writes others may see, and a crash may leave.</summary>
public enum BatchAtomicity
{
    /// <summary>Each sector new or old by itself, as of single writes in the order given.</summary>
    EachSector = 0,

    /// <summary>All of the batch or nothing of it.</summary>
    All = 1,
}
