// Keeps true: the path of a source file stands here and nowhere else in the tables, so a file that is moved is one line.
namespace PCache.Lab.Mutants;

/// <summary>The sources that the tables of mutants change, from the repository's root.</summary>
internal static class Sources
{
    private const string Core = "src/PCache.Core/";
    private const string Sqlite = "src/PCache.Sqlite/";

    public const string CheckedDevice = Core + "Backing/CheckedBlockDevice.cs";
    public const string StreamDevice = Core + "Backing/StreamBlockDevice.cs";
    public const string Batches = Core + "Engine/CacheEngine.Batch.cs";
    public const string Closing = Core + "Engine/CacheEngine.Close.cs";
    public const string Discards = Core + "Engine/CacheEngine.Discard.cs";
    public const string EngineFingerprint = Core + "Engine/CacheEngine.Fingerprint.cs";
    public const string Flushing = Core + "Engine/CacheEngine.Flush.cs";
    public const string Lengths = Core + "Engine/CacheEngine.Length.cs";
    public const string Trouble = Core + "Engine/CacheEngine.Maintenance.Trouble.cs";
    public const string Misses = Core + "Engine/CacheEngine.Miss.cs";
    public const string Reading = Core + "Engine/CacheEngine.Read.cs";
    public const string Settings = Core + "Engine/CacheEngine.Status.cs";
    public const string Direct = Core + "Engine/CacheEngine.Write.Direct.cs";
    public const string Pieces = Core + "Engine/CacheEngine.Write.Pieces.cs";
    public const string Waiting = Core + "Engine/CacheEngine.Write.Waiting.cs";
    public const string Writing = Core + "Engine/CacheEngine.Write.cs";
    public const string Engine = Core + "Engine/CacheEngine.cs";
    public const string DeviceSetup = Core + "Engine/DeviceSetup.cs";
    public const string DiscardQueue = Core + "Engine/DiscardQueue.cs";
    public const string Asked = Core + "Engine/MaintenanceRequests.cs";
    public const string MergedSector = Core + "Engine/MergedSector.cs";
    public const string MissOperation = Core + "Engine/MissOperation.cs";
    public const string Gate = Core + "Engine/OperationGate.cs";
    public const string BackingChecks = Core + "Engine/Recovery.Backing.cs";
    public const string Opening = Core + "Engine/Recovery.cs";
    public const string CloseMonitor = Core + "Engine/CloseMonitor.cs";
    public const string RetryDelay = Core + "Engine/RetryDelay.cs";
    public const string SpaceQueue = Core + "Engine/SpaceQueue.cs";
    public const string Collector = Core + "Gc/GarbageCollector.cs";
    public const string Peeking = Core + "Indexing/StripeDirectory.Peek.cs";
    public const string IndexStorage = Core + "Indexing/StripeIndex.Storage.cs";
    public const string KeyValidator = Core + "Ksets/KeyValidator.cs";
    public const string KsetReader = Core + "Ksets/KsetReader.cs";
    public const string LogPositions = Core + "Ksets/LogPositions.cs";
    public const string LogReplay = Core + "Ksets/LogReplay.cs";
    public const string LogWriter = Core + "Ksets/LogWriter.cs";
    public const string NextSegment = Core + "Ksets/NextLogSegment.cs";
    public const string RegionZeroing = Core + "Ksets/RegionZeroing.cs";
    public const string Fingerprints = Core + "Layout/ExtensionBlocks.Fingerprint.cs";
    public const string Formatter = Core + "Layout/Formatter.cs";
    public const string MediaLoader = Core + "Layout/MediaLoader.cs";
    public const string Replicas = Core + "Layout/Replicas.cs";
    public const string Structures = Core + "Layout/Structures.cs";
    public const string SuperblockReader = Core + "Layout/SuperblockReader.cs";
    public const string StreamWriting = Core + "PCacheStream.Writing.cs";
    public const string StreamView = Core + "PCacheStream.cs";
    public const string FileOpening = Core + "Pmem/FileOpening.cs";
    public const string MappedRegion = Core + "Pmem/MappedFileRegion.cs";
    public const string PendingSync = Core + "Pmem/PendingSync.cs";
    public const string Mapping = Core + "Pmem/UnixFileMapping.cs";
    public const string WaitingGate = Core + "Primitives/AsyncGate.cs";
    public const string Latch = Core + "Primitives/Latch.cs";
    public const string SteadyLock = Core + "Primitives/SteadyLock.cs";
    public const string Uninterrupted = Core + "Primitives/Uninterrupted.cs";
    public const string DataHeads = Core + "Segments/DataHeads.cs";
    public const string SegmentTable = Core + "Segments/SegmentTable.cs";
    public const string BackingWriter = Core + "Writeback/BackingWriter.cs";
    public const string KeyExtents = Core + "Writeback/KeyExtents.cs";
    public const string Plan = Core + "Writeback/WritebackPlan.cs";
    public const string Relogging = Core + "Writeback/WritebackWorker.Damage.cs";
    public const string Worker = Core + "Writeback/WritebackWorker.cs";

    public const string CachedFiles = Sqlite + "Files/CachedFiles.cs";
    public const string Composite = Sqlite + "Files/CompositeBacking.cs";
    public const string CompositeParts = Sqlite + "Files/CompositeBacking.Parts.cs";
    public const string RecordKeeper = Sqlite + "Recognition/RecordKeeper.cs";
    public const string FileImage = Sqlite + "Recognition/FileImage.cs";
}
