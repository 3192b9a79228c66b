using PCache.Core.Diagnostics;
using PCache.Core.Opening;
using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>What every device has, writable or not.</summary>
internal sealed record EngineParts
{
    /// <summary>What is cached.</summary>
    public required ExtentStore Store { get; init; }

    /// <summary>What the cache stands in front of.</summary>
    public required IBlockDevice Backing { get; init; }

    /// <summary>Watches backing and cache file.</summary>
    public required StorageWatch Storage { get; init; }

    /// <summary>Writers that wait for room; always empty on a read-only device.</summary>
    public required SpaceQueue Space { get; init; }

    /// <summary>Operations in flight.</summary>
    public required OperationGate Gate { get; init; }

    /// <summary>Looks at the state.</summary>
    public required StateMonitor Monitor { get; init; }

    /// <summary>Messages and measurements.</summary>
    public required DeviceDiagnostics Diagnostics { get; init; }

    /// <summary>The device's settings.</summary>
    public required PCacheOptions Options { get; init; }

    /// <summary>What the open found.</summary>
    public required RecoveryReport Report { get; init; }

    /// <summary>The claim of the backing, given back at the release; a read-only device has none.</summary>
    public required BackingClaim? Claim { get; init; }
}
