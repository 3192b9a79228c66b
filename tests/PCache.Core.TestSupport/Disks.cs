namespace PCache.Core.Tests.Support;

/// <summary>
/// Simulated disks as backings of caches. Keeps true: a write past the end is a violation, also where the length can be
/// changed: a cache sets the length first.
/// </summary>
internal static class Disks
{
    public static SimulatedDisk Make(long length, int blockSize = 1, bool canResize = false, bool canDiscard =
        false, bool canWrite = true) =>
        new(length, Options(blockSize, canResize, canDiscard, canWrite));

    public static SimulatedDisk Make(byte[] content, int blockSize = 1, bool canResize = false, bool canDiscard =
        false) => new(content, Options(blockSize, canResize, canDiscard, true));

    /// <summary>
    /// Makes calls fail before they have any effect, until <see cref="SimulatedDisk.BeforeCall"/> is set anew.
    /// </summary>
    public static void FailWhere(this SimulatedDisk disk, Func<DiskCall, Exception?> find) => disk.BeforeCall = call =>
    {
        if (find(call) is { } error)
        {
            throw error;
        }
    };

    /// <summary>
    /// Makes all calls of a kind hang, cancelled or not, from the next on, until
    /// <see cref="SimulatedDisk.ReleaseHanging"/>.
    /// </summary>
    public static void Hang(this SimulatedDisk disk, DiskOperation operation, bool afterEffect = false) =>
        disk.Plan(new DiskFault
        {
            Operation = operation,
            Kind = afterEffect ? DiskFaultKind.HangAfterEffect
            : DiskFaultKind.Hang,
            Times = int.MaxValue,
            IgnoresCancellation = true
        });

    private static SimulatedDiskOptions Options(int blockSize, bool canResize, bool canDiscard, bool canWrite) => new()
    {
        BlockSize = blockSize,
        CanResize = canResize,
        CanDiscard = canDiscard,
        CanWrite = canWrite,
        GrowsOnWrite = false,
    };
}
