namespace PCache.Core;

/// <summary>How far a drain has come.</summary>
/// <param name="WrittenBytes">Bytes written to the backing since the device was opened.</param>
/// <param name="RemainingBytes">Dirty payload bytes still in the cache.</param>
/// <param name="RemainingKeys">Dirty keys still in the cache.</param>
public readonly record struct DrainProgress(long WrittenBytes, long RemainingBytes, long RemainingKeys);
