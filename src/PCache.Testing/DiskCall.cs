using PCache.Core;

namespace PCache.Testing;

/// <summary>The operations of a block device.</summary>
public enum DiskOperation
{
    /// <summary>A read.</summary>
    Read,

    /// <summary>A write.</summary>
    Write,

    /// <summary>A flush.</summary>
    Flush,

    /// <summary>A write of zeros.</summary>
    WriteZeroes,

    /// <summary>A discard.</summary>
    Discard,

    /// <summary>A change of length.</summary>
    SetLength,
}

/// <summary>One call of a <see cref="SimulatedDisk"/>.</summary>
/// <param name="Operation">What was asked for.</param>
/// <param name="Offset">First byte; for <see cref="DiskOperation.SetLength"/> the new length.</param>
/// <param name="LengthBytes">Length in bytes; 0 where the operation has none.</param>
/// <param name="Durability">Whether a write has to be durable when it returns.</param>
public sealed record DiskCall(
    DiskOperation Operation, long Offset, long LengthBytes, WriteDurability Durability = WriteDurability.Normal);
