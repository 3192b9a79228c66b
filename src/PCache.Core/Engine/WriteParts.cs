using PCache.Core.Primitives;
using PCache.Core.Store;
using PCache.Core.Upkeep;

namespace PCache.Core.Engine;

/// <summary>What the writing paths have in common.</summary>
internal sealed record WriteParts(
    ExtentStore Store, ExtentWriter Writer, SpaceQueue Space, OperationGate Gate, WorkSignal Work, DeviceLength Length,
    FlushPath Flushes);
