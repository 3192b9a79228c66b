namespace PCache.Core;

/// <summary>
/// One write of a batch; see <see cref="PCacheDevice.WriteBatch(ReadOnlySpan{BlockWrite}, WriteDurability)"/>.
/// </summary>
/// <param name="Offset">First byte on the device, 0 or more.</param>
/// <param name="Data">The bytes; not to be changed until the batch has returned.</param>
public readonly record struct BlockWrite(long Offset, ReadOnlyMemory<byte> Data);

/// <summary>One read of a batch; see <see cref="PCacheDevice.ReadBatch"/>.</summary>
/// <param name="Offset">First byte on the device, 0 or more.</param>
/// <param name="Buffer">Where the bytes go.</param>
public readonly record struct BlockRead(long Offset, Memory<byte> Buffer);
