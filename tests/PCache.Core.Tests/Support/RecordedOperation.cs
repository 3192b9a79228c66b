// What a FaultyBlockDevice remembers of one call. Keeps true: Started and Completed come from one counter per device, so "a completed before b started" can be asked.

namespace PCache.Core.Tests.Support;

/// <summary>The kinds of call that a device can be asked for.</summary>
public enum DeviceOperation
{
    /// <summary>Read or ReadAsync.</summary>
    Read,

    /// <summary>Write or WriteAsync.</summary>
    Write,

    /// <summary>Flush or FlushAsync.</summary>
    Flush,

    /// <summary>WriteZeroes or WriteZeroesAsync.</summary>
    WriteZeroes,

    /// <summary>Discard or DiscardAsync.</summary>
    Discard,

    /// <summary>SetLength or SetLengthAsync.</summary>
    SetLength,
}

/// <summary>When a planned fault strikes.</summary>
public enum FaultMoment
{
    /// <summary>Before anything reached the device.</summary>
    Before,

    /// <summary>After the first half of a write (rounded down to whole sectors) reached the device; like Before for everything else.</summary>
    Halfway,

    /// <summary>After the device did all of it: only the answer is an error.</summary>
    After,
}

/// <summary>One call, in the order in which the calls began.</summary>
/// <param name="Kind">What was asked for.</param>
/// <param name="Offset">First byte; 0 for a flush, the new length for SetLength.</param>
/// <param name="LengthBytes">Bytes; 0 for a flush and for SetLength.</param>
/// <param name="Durability">As the caller asked; Normal where the call has none.</param>
/// <param name="Started">Place in the sequence of starts and completions.</param>
public sealed record RecordedOperation(DeviceOperation Kind, long Offset, long LengthBytes, WriteDurability Durability, long Started)
{
    private long _completed;
    private Exception? _error;

    /// <summary>Place in the sequence of starts and completions; 0 while it runs.</summary>
    public long Completed => Volatile.Read(ref _completed);

    /// <summary>Why it failed; null if it didn't, or still runs.</summary>
    public Exception? Error => Volatile.Read(ref _error);

    /// <summary>Whether it has completed without an error.</summary>
    public bool Succeeded => Completed != 0 && Error is null;

    /// <summary>Whether this call had returned when <paramref name="other"/> began.</summary>
    public bool IsBefore(RecordedOperation other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Completed != 0 && Completed < other.Started;
    }

    internal void Complete(long sequence, Exception? error)
    {
        Volatile.Write(ref _error, error);
        Volatile.Write(ref _completed, sequence);
    }
}
