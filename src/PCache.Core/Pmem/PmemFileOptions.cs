using Microsoft.Win32.SafeHandles;
using PCache.Core.Files;

namespace PCache.Core.Pmem;

/// <summary>How <see cref="PmemFile"/> maps a file. Immutable; checked as a whole before the file is touched.</summary>
public sealed record PmemFileOptions
{
    private const UnixFileMode ReadAndWrite = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead
        | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    /// <summary>
    /// What stores are worth. <see cref="Persistence.PageCache"/> (the default): an ordinary file.
    /// <see cref="Persistence.Dax"/>: persistent memory, mapped with MAP_SYNC; refused where that isn't given
    /// (another file system, not Linux, not x86-64). <see cref="Persistence.Assumed"/>: treated as persistent memory
    /// because the caller vouches for it. <see cref="Persistence.Volatile"/> is refused: see
    /// <see cref="PmemMemory"/>.
    /// </summary>
    public Persistence Persistence { get; init; } = Persistence.PageCache;

    /// <summary>
    /// For <see cref="Persistence.PageCache"/> only: whether <see cref="PmemRegion.Drain"/> brings the flushed ranges
    /// to the disk, so that they survive a power cut. Default false: they survive the death of the process.
    /// </summary>
    public bool PowerSafe { get; init; }

    /// <summary>
    /// Whether every page is made present at the open, so that no later access pays for it (a few microseconds each).
    /// Takes as long as reading the file does, and may take as much memory. Default false.
    /// </summary>
    public bool Prefault { get; init; }

    /// <summary>
    /// Whether the file is opened and mapped for reading only; it can then be shared with other readers, and stores
    /// throw <see cref="InvalidOperationException"/>. Default false. Not for creating.
    /// </summary>
    public bool ReadOnly { get; init; }

    /// <summary>
    /// On Unix, rights of a file that is made: read and write for whom you name; execution is never given. Null (the
    /// default): those of what the file stands for, where that is known (<see cref="ModelPath"/>, or a backing that
    /// is a file, in calls that are given both); else its owner alone may open it. Where both are given, only the
    /// rights that both give. Not from the umask. An existing file keeps its rights. Windows: without meaning.
    /// </summary>
    public UnixFileMode? UnixMode { get; init; }

    /// <summary>
    /// On Unix, path of an existing file that a file to be made stands for: it gets that one's owner and group, as
    /// far as the process may, and rights that are never wider. For a cache file, its backing. Null (the default):
    /// none. Windows: without meaning.
    /// </summary>
    public string? ModelPath { get; init; }

    /// <summary>
    /// What a file to be made stands for, where the caller has it open; before <see cref="ModelPath"/>.
    /// </summary>
    internal FileFacts? Model { get; init; }

    /// <summary>
    /// Gives a new file, which is its owner's alone, the rights that it is to have. What can't be given isn't: then
    /// it stays with fewer.
    /// </summary>
    /// <exception cref="FileNotFoundException">There is no file at <see cref="ModelPath"/>.</exception>
    internal void GiveRights(SafeFileHandle file)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        FileFacts? model = Model;
        if (model is null && ModelPath is { } path)
        {
            model = FileFacts.TryOfPath(path);
            if (model is null && FileFacts.IsSupported)
            {
                throw new FileNotFoundException($"There is no file '{SafeText.Of(path)}', whose rights the new file "
                    + $"was to get (PmemFileOptions.ModelPath).", path);
            }
        }

        try
        {
            if (model is not null)
            {
                FileRights.Apply(file, model with { Mode = model.Mode & (UnixMode ?? ReadAndWrite) });
            }
            else if (UnixMode is { } mode && ModelPath is null)
            {
                File.SetUnixFileMode(file, mode & ReadAndWrite);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A file system without rights, or rights that this process may not give.
        }
    }

    /// <summary>
    /// Consent to use the file without its lock where none can be had: the file system has no locks, or gives none
    /// now. Default false: that refuses the file, since nothing would keep another process from using the cache at
    /// the same time. A lock that another process holds refuses it in either case.
    /// </summary>
    public bool AllowWithoutLock { get; init; }

    /// <summary>Throws where the settings don't fit each other.</summary>
    internal void Validate(string parameterName)
    {
        if (Persistence is not (Persistence.PageCache or Persistence.Dax or Persistence.Assumed))
        {
            throw new ArgumentException(
                $"A file's persistence is PageCache, Dax or Assumed, not {Persistence}.", parameterName);
        }

        if (ModelPath is { Length: 0 } || (ModelPath is not null && ModelPath.Contains('\0', StringComparison.Ordinal)))
        {
            throw new ArgumentException(
                "PmemFileOptions.ModelPath must be the path of a file, or null.", parameterName);
        }

        if (PowerSafe && Persistence != Persistence.PageCache)
        {
            throw new ArgumentException(
                $"PowerSafe is a choice for PageCache only; {Persistence} needs none.", parameterName);
        }
    }
}
