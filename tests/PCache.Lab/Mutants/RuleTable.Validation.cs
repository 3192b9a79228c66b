using static PCache.Lab.Mutants.Sources;

namespace PCache.Lab.Mutants;

// Class 6: checks of single fields that are left out. The cycle check of the chain isn't among them: a cycle has no
// end, so "has next" refuses it too.
internal static partial class RuleTable
{
    private static RuleRow[] Validation =>
    [
        new(
            "ValidationSegmentCount", "Class 6",
            "not checked: superblock: number of segments",
            Images,
            [new(SuperblockReader, "if («block.SegmentCount < least || block.SegmentCount > fits»)", "false")]),
        new(
            "ValidationSegmentSize", "Class 6",
            "not checked: superblock: segment size",
            Images,
            [
                new(
                    SuperblockReader,
                    """
                    if («block.SegmentSize is < MediaConstants.MinSegmentSize or > MediaConstants.LinuxSegmentSize || (block.SegmentSize & (block.SegmentSize - 1)) != 0»)
                    """,
                    "false"),
            ]),
        new(
            "ValidationByteOrder", "Class 6",
            "not checked: superblock: byte order",
            Images,
            [
                new(SuperblockReader, "if («(block.Flags & MediaConstants.SuperblockBigEndianFlag) != 0»)", "false"),
            ]),
        new(
            "ValidationSuperblockChecksum", "Class 6",
            "not checked: superblock: checksum",
            Images,
            [new(SuperblockReader, "if («block.Crc != crc»)", "false")]),
        new(
            "ValidationReplicaChecksum", "Class 6",
            "not checked: checksum of a two-replica structure",
            Images,
            [
                new(Replicas, "return !blank && «Header(ref value).Crc == StructureChecksum.Of(bytes[4..])»;", "true"),
            ]),
        new(
            "ValidationMode", "Class 6",
            "not checked: cache info: mode",
            Images,
            [new(MediaLoader, "if («flags.Mode != 0»)", "false")]),
        new(
            "ValidationGcPercent", "Class 6",
            "not checked: cache info: GC percent",
            Images,
            [new(MediaLoader, "if («flags.GcPercent > CacheFlags.MaxGcPercent»)", "false")]),
        new(
            "ValidationChainLength", "Class 6",
            "not checked: chain length",
            Images,
            [
                new(
                    MediaLoader,
                    "if («info.SegmentCount == 0 || info.SegmentCount > geometry.SegmentCount»)",
                    """
                    (info.SegmentCount == 0 || info.SegmentCount > geometry.SegmentCount) && info.SegmentCount > MediaConstants.MaxSegmentCount
                    """),
            ]),
        new(
            "ValidationChainId", "Class 6",
            "not checked: chain ids: below the superblock's number",
            Images,
            [
                new(MediaLoader, "if («info.FirstSegment >= geometry.SegmentCount»)", "false"),
                new(SegmentChain, "if («segment.Next >= geometry.SegmentCount»)", "false"),
            ]),
        new(
            "ValidationChainEnd", "Class 6",
            """
            not checked: "has next" on all but the last
            """,
            Images,
            [new(SegmentChain, "if («hasNext == isLast»)", "false")]),
        new(
            "ValidationSegmentType", "Class 6",
            "not checked: segment type",
            Images,
            [new(SegmentChain, "if («type != 1»)", "false")]),
        new(
            "ValidationTailSegment", "Class 6",
            "not checked: positions: cache segment",
            Images,
            [new(MediaLoader, "if («record.Segment >= chain.Length»)", "false")]),
        new(
            "ValidationTailOffset", "Class 6",
            "not checked: positions: offset",
            Images,
            [new(MediaLoader, "if («!IsKsetOffset(geometry, record.Offset)»)", "false")]),
        new(
            "ValidationBackingLength", "Class 6",
            "not checked: extension block: backing length",
            Images,
            [new(MediaLoader, "if («extension.BackingLength > long.MaxValue»)", "false")]),
        new(
            "ValidationBackingIdentity", "Class 6",
            "not checked: the bound identity",
            Images,
            [
                new(BackingChecks, "if («identity != Guid.Empty && identity != _options.BackingIdentity»)", "false"),
            ]),
        new(
            "ValidationBoundLength", "Class 6",
            "not checked: the bound length",
            Images,
            [
                new(
                    BackingChecks,
                    "if («mayBeLonger ? length < block.BackingLength : length != block.BackingLength»)",
                    "false"),
            ]),
        new(
            "ValidationKeyCount", "Class 6",
            "not checked: kset: at most 128 keys",
            Images,
            [
                new(
                    KsetReader,
                    "if («_header.KeyCount is 0 or > MediaConstants.MaxKeysPerKset»)",
                    "_header.KeyCount is 0"),
            ]),
        new(
            "ValidationKsetBounds", "Class 6",
            "not checked: kset: inside the data area",
            Images,
            [new(KsetReader, "if («size > room»)", "false")]),
        new(
            "ValidationKsetChecksum", "Class 6",
            "not checked: kset: checksum",
            Images,
            [
                new(
                    KsetReader,
                    """
                    if («MemoryMarshal.Read<uint>(whole) != StructureChecksum.Of(whole[sizeof(uint)..])»
                    || !whole
                    """,
                    "false"),
            ]),
        new(
            "ValidationKsetNumber", "Class 6",
            "not checked: kset: sequence number",
            Images,
            [new(KsetReader, "if («!sequence.Accepts(_header.Sequence)»)", "false")]),
        new(
            "ValidationKsetRoomForLink", "Class 6",
            "not checked: kset: room for a last kset behind it",
            Images,
            [
                new(
                    KsetReader,
                    """
                    if («!_header.IsLast && Next.Offset > _geometry.DataSize - MediaConstants.KsetHeaderSize»)
                    """,
                    "false"),
            ]),
        new(
            "ValidationLinkTarget", "Class 6",
            "not checked: last kset: target below the chain length",
            Images,
            [new(KsetReader, "if («_header.IsLast && _header.KeyCount >= _chain.Length»)", "false")]),
        new(
            "ValidationLinkCycle", "Class 6",
            "not checked: last kset: a segment that the log hasn't visited",
            Images,
            [new(LogReplay, "if («_use.IsLog(next)»)", "false")]),
        new(
            "ValidationLinkIntoPayload", "Class 6",
            "not checked: last kset: a segment without live payload",
            Images,
            [new(LogReplay, "if («_use.References[next] > 0»)", "false")]),
        new(
            "ValidationKeyEmpty", "Class 6",
            "not checked: key: never empty",
            Images,
            [new(KeyValidator, "if («(key.Flags & CacheKey.EmptyFlag) != 0»)", "false")]),
        new(
            "ValidationKeyLength", "Class 6",
            "not checked: key: length",
            Images,
            [
                new(
                    KeyValidator,
                    """
                    if («key.Length == 0 || (key.Length & SectorMask) != 0 || key.Length > MediaConstants.StripeSize»)
                    """,
                    "false"),
            ]),
        new(
            "ValidationKeyOffset", "Class 6",
            "not checked: key: offset",
            Images,
            [
                new(
                    KeyValidator,
                    """
                    if («key.Offset > long.MaxValue - MediaConstants.StripeSize || (key.Offset & SectorMask) != 0»)
                    """,
                    "false"),
            ]),
        new(
            "ValidationKeyStripe", "Class 6",
            "not checked: key: inside one stripe",
            Images,
            [
                new(
                    KeyValidator,
                    """
                    if («key.Offset / MediaConstants.StripeSize != (key.End - 1) / MediaConstants.StripeSize»)
                    """,
                    "false"),
            ]),
        new(
            "ValidationKeySegment", "Class 6",
            "not checked: key: cache segment",
            Images,
            [new(KeyValidator, "if («key.Segment >= (uint)_chainLength»)", "false")]),
        new(
            "ValidationKeyGeneration", "Class 6",
            "not checked: key: generation at most its segment's",
            Images,
            [new(KeyValidator, "if («key.Generation > generation»)", "false")]),
        new(
            "ValidationKeyEnd", "Class 6",
            "not checked: key: inside the backing",
            Images,
            [new(KeyValidator, "return «key.End > _deviceEnd» ?", "false")]),
        new(
            "ValidationPayloadBounds", "Class 6",
            "not checked: live payload: inside the data area",
            Images,
            [
                new(
                    KeyValidator,
                    """
                    if («state == KeyState.Live»
                    && (key
                    """,
                    "false"),
            ]),
        new(
            "ValidationPayloadInLog", "Class 6",
            "not checked: live payload: in no log segment",
            Images,
            [new(LogReplay, "if («_use.IsLog((int)key.Segment)»)", "false")]),
        new(
            "ValidationLogEnd", "Class 6",
            "not checked: the log's end: no later kset behind it",
            Images,
            [
                new(
                    LogReplay,
                    """
                    if («!broken»)
                    {
                        CheckEnd
                    """,
                    "false"),
            ]),
        new(
            "ValidationDirtyTailMet", "Class 6",
            "not checked: the dirty tail is met on the way",
            Images,
            [new(LogReplay, "if («!_dirty»)", "false")]),
        new(
            "ValidationLostWrites", "Class 6",
            "not checked: lost writes need consent",
            Images,
            [new(ReplayedLog, "if («result.LostKeys > 0» && !options.ReadOnly", "false")]),
        new(
            "ValidationLastGeneration", "Class 6",
            "not checked: a segment with the last generation isn't used again",
            Images,
            [new(SegmentTable, "if («_generations[i] == ulong.MaxValue»)", "false")]),
    ];
}
