using PCache.Core;
using PCache.Core.Primitives;

namespace PCache.Testing;

/// <summary>
/// A clock that does what another does, and brings a machine with it: made-up cores and random numbers, so that a run
/// can be repeated exactly.
/// </summary>
internal sealed class MachineClock(TimeProvider clock, Machine machine) : TimeProvider, IMachineClock
{
    /// <inheritdoc/>
    public Machine Machine => machine;

    /// <inheritdoc/>
    public override long TimestampFrequency => clock.TimestampFrequency;

    /// <inheritdoc/>
    public override TimeZoneInfo LocalTimeZone => clock.LocalTimeZone;

    /// <summary>The same settings, for a device on a made-up machine.</summary>
    public static PCacheOptions On(PCacheOptions options, Machine machine) =>
        options with { TimeProvider = new MachineClock(options.TimeProvider, machine) };

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => clock.GetUtcNow();

    /// <inheritdoc/>
    public override long GetTimestamp() => clock.GetTimestamp();

    /// <inheritdoc/>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        clock.CreateTimer(callback, state, dueTime, period);
}
