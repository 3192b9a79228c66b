namespace PCache.Core.Pmem;

/// <summary>How <see cref="PmemFile"/> maps a file. Immutable; checked as a whole before the file is touched.</summary>
public sealed record PmemFileOptions
{
    /// <summary>
    /// What stores are worth. <see cref="Persistence.PageCache"/> (the default): an ordinary file. <see cref="Persistence.Dax"/>: persistent memory, mapped with
    /// MAP_SYNC; refused where that isn't given (another file system, not Linux, not x86-64). <see cref="Persistence.Assumed"/>: treated as persistent memory
    /// because the caller vouches for it. <see cref="Persistence.Volatile"/> is refused: see <see cref="PmemMemory"/>.
    /// </summary>
    public Persistence Persistence { get; init; } = Persistence.PageCache;

    /// <summary>
    /// For <see cref="Persistence.PageCache"/> only: whether <see cref="PmemRegion.Drain"/> brings the flushed ranges to the disk, so that they survive a power cut.
    /// Default false: they survive the death of the process.
    /// </summary>
    public bool PowerSafe { get; init; }

    /// <summary>
    /// Whether every page is made present at the open, so that no later access pays for it (a few microseconds each). Takes as long as reading the file does, and
    /// may take as much memory. Default false.
    /// </summary>
    public bool Prefault { get; init; }

    /// <summary>
    /// Whether the file is opened and mapped for reading only; it can then be shared with other readers, and stores throw
    /// <see cref="InvalidOperationException"/>. Default false. Not for creating.
    /// </summary>
    public bool ReadOnly { get; init; }

    /// <summary>Throws where the settings don't fit each other.</summary>
    internal void Validate(string parameterName)
    {
        if (Persistence is not (Persistence.PageCache or Persistence.Dax or Persistence.Assumed))
        {
            throw new ArgumentException($"A file's persistence is PageCache, Dax or Assumed, not {Persistence}.", parameterName);
        }

        if (PowerSafe && Persistence != Persistence.PageCache)
        {
            throw new ArgumentException($"PowerSafe is a choice for PageCache only; {Persistence} needs none.", parameterName);
        }
    }
}
