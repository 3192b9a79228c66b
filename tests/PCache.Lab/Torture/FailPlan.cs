namespace PCache.Lab.Torture;

/// <summary>Which calls are counted, and made to fail.</summary>
internal enum FailPoint
{
    /// <summary>Any call of the backing.</summary>
    Backing,

    /// <summary>Reads of the backing.</summary>
    BackingRead,

    /// <summary>Writes of the backing.</summary>
    BackingWrite,

    /// <summary>Flushes of the backing.</summary>
    BackingFlush,

    /// <summary>Drains of the region.</summary>
    RegionDrain,

    /// <summary>Reads of metadata from the region.</summary>
    RegionRead,
}

/// <summary>
/// What fails, how, and for how long. Keeps true: every kind of fault that a cache can notice is in the list with each
/// of its durations; misdirected and lost writes are not, since no cache can notice them.
/// </summary>
/// <param name="Point">Which calls.</param>
/// <param name="Kind">How a call of the backing fails; the region's calls fail without an effect.</param>
/// <param name="Times">How often in a row; <see cref="int.MaxValue"/>: until healed.</param>
internal sealed record FailPlan(FailPoint Point, DiskFaultKind Kind, int Times)
{
    /// <summary>All plans.</summary>
    public static IReadOnlyList<FailPlan> All
    {
        get;
    } = [.. Kinds().SelectMany(kind =>
        new[] { 1, 3, int.MaxValue }.Select(times => new FailPlan(kind.Point, kind.Kind, times)))];

    /// <summary>Whether the region fails, not the backing.</summary>
    public bool IsRegion => Point is FailPoint.RegionDrain or FailPoint.RegionRead;

    /// <summary>The fault to plan on the disk, from the n-th call on.</summary>
    public DiskFault ToFault(int n) => new()
    {
        Operation = Point switch
        {
            FailPoint.BackingRead => DiskOperation.Read,
            FailPoint.BackingWrite => DiskOperation.Write,
            FailPoint.BackingFlush => DiskOperation.Flush,
            _ => null,
        },
        Kind = Kind,
        Skip = n,
        Times = Times,
    };

    /// <inheritdoc/>
    public override string ToString() => $"{Point} {Kind} {(Times == int.MaxValue ? "until healed" : $"x{Times}")}";

    private static IEnumerable<(FailPoint Point, DiskFaultKind Kind)> Kinds() =>
    [
        (FailPoint.Backing, DiskFaultKind.Error),
        (FailPoint.BackingFlush, DiskFaultKind.Error),
        (FailPoint.RegionDrain, DiskFaultKind.Error),
        (FailPoint.Backing, DiskFaultKind.ErrorAfterEffect),
        (FailPoint.RegionRead, DiskFaultKind.Error),
        (FailPoint.BackingWrite, DiskFaultKind.HalfThenError),
        (FailPoint.BackingRead, DiskFaultKind.ShortRead),
        (FailPoint.BackingWrite, DiskFaultKind.Error),
    ];
}
