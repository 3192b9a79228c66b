namespace PCache.Testing;

/// <summary>What goes wrong with a call of a <see cref="SimulatedDisk"/>.</summary>
public enum DiskFaultKind
{
    /// <summary>The call fails and has had no effect.</summary>
    Error,

    /// <summary>The call fails, though it has had its effect.</summary>
    ErrorAfterEffect,

    /// <summary>
    /// The first half of a write, up to the end of a sector, is written; then the call fails. Other operations: as
    /// <see cref="Error"/>.
    /// </summary>
    HalfThenError,

    /// <summary>
    /// A read yields only its first half, as a file that was cut does. Other operations aren't affected, nor counted.
    /// </summary>
    ShortRead,

    /// <summary>
    /// A write goes to the wrong place, and reports success. Other operations aren't affected, nor counted.
    /// </summary>
    Misdirect,

    /// <summary>
    /// A write is lost, and reports success; a flush reports success and flushes nothing. Other operations aren't
    /// affected, nor counted.
    /// </summary>
    Lost,

    /// <summary>The call takes <see cref="DiskFault.Delay"/> longer, then goes on.</summary>
    Delay,

    /// <summary>The call hangs until <see cref="SimulatedDisk.ReleaseHanging"/>, then goes on.</summary>
    Hang,

    /// <summary>
    /// The call has its effect, then hangs until <see cref="SimulatedDisk.ReleaseHanging"/> before it returns.
    /// </summary>
    HangAfterEffect,
}

/// <summary>A planned fault of a <see cref="SimulatedDisk"/>. Immutable; each plan counts its own calls.</summary>
public sealed record DiskFault
{
    /// <summary>Which calls; null: all.</summary>
    public DiskOperation? Operation { get; init; }

    /// <summary>What goes wrong. Default: <see cref="DiskFaultKind.Error"/>.</summary>
    public DiskFaultKind Kind { get; init; }

    /// <summary>How many matching calls, from the planning on, still go well, 0 or more. Default 0.</summary>
    public int Skip { get; init; }

    /// <summary>
    /// How many are struck after that, 0 or more. Default 1; <see cref="int.MaxValue"/>: until
    /// <see cref="SimulatedDisk.Heal"/>.
    /// </summary>
    public int Times { get; init; } = 1;

    /// <summary>
    /// Only calls that touch the range from here on, in bytes, 0 or more. Default 0. Flushes and changes of length
    /// match whatever the range.
    /// </summary>
    public long Offset { get; init; }

    /// <summary>Length of that range in bytes, 0 or more. Default: without end.</summary>
    public long LengthBytes { get; init; } = long.MaxValue;

    /// <summary>What a failing call throws. Default: an <see cref="IOException"/>.</summary>
    public Func<Exception>? MakeException { get; init; }

    /// <summary>
    /// How far off a misdirected write goes, in bytes; the other way where the device ends, and always kept inside
    /// it. Default 4096.
    /// </summary>
    public long MisdirectBy { get; init; } = 4096;

    /// <summary>
    /// How much longer a slow call takes. On a disk with a <see cref="VirtualClock"/> the clock moves, on others the
    /// call really waits.
    /// </summary>
    public TimeSpan Delay { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>
    /// Whether a call that hangs goes on hanging when its caller cancels it, as one that waits for a device does.
    /// Default false: it ends, without an effect where it has had none.
    /// </summary>
    public bool IgnoresCancellation { get; init; }
}
