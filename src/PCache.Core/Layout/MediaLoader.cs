using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Layout;

/// <summary>
/// Loads and validates everything on the medium but the log. Keeps true: nothing is used before it is validated;
/// memory and work are bounded by what the device holds, never by a number found on it; nothing is written. A
/// checksum that fits proves nothing about a field.
/// </summary>
internal static partial class MediaLoader
{
    private const string CacheInfoName = "cache info";
    private const string SegmentInfoName = "segment info";
    private const string GenerationName = "generation";
    private const int SegmentsPerReport = 256;

    /// <summary>Loads a sound image.</summary>
    /// <exception cref="PCacheNotFormattedException">Never formatted, or formatting was not finished.</exception>
    /// <exception cref="PCacheCorruptionException">Any field that a sound cache never has.</exception>
    /// <exception cref="IOException">The superblock can't be read.</exception>
    public static MediaState Load(PmemRegion region) => Load(region, new FindingReporter(null), null)!;

    /// <summary>As <see cref="Load(PmemRegion)"/>.</summary>
    /// <param name="region">The cache device.</param>
    /// <param name="progress">Told now and then how many segments of how many have been read; may throw to end
    /// it.</param>
    public static MediaState Load(PmemRegion region, Action<int, int> progress) =>
        Load(region, new FindingReporter(null), progress)!;

    /// <summary>
    /// Loads what can be loaded, and reports the rest. Null: too little is there to go on; the findings say why.
    /// </summary>
    /// <exception cref="PCacheNotFormattedException">Never formatted, or formatting was not finished.</exception>
    public static MediaState? Load(PmemRegion region, IFindingSink findings) =>
        Load(region, new FindingReporter(findings), null);

    private static MediaState? Load(PmemRegion region, FindingReporter report, Action<int, int>? progress)
    {
        Geometry? geometry = SuperblockReader.Read(region, report, out uint superblockFlags);
        if (geometry is null || !LoadCacheInfo(
            region, report, geometry, out CacheInfo info, out ReplicaState infoReplicas, out bool infoInOne))
        {
            return null;
        }

        List<int> unlinked = [];
        int[] chain = LoadChain(region, report, geometry, info, progress, unlinked);
        if (chain.Length == 0)
        {
            return null;
        }

        LoadGenerations(
            region, report, geometry, chain, out ulong[] generations, out ReplicaState[] generationReplicas);
        progress?.Invoke(chain.Length, chain.Length);
        bool tails = LoadTail(
            region, report, geometry, chain, "key tail", MediaConstants.KeyTailOffset, out LogPosition keyTail, out _,
            out ReplicaState keyTailReplicas);
        tails &= LoadTail(
            region, report, geometry, chain, "dirty tail", MediaConstants.DirtyTailOffset, out LogPosition dirtyTail,
            out LogPosition dirtyTailOlder, out ReplicaState dirtyTailReplicas);
        if (!tails)
        {
            return null;
        }

        ExtensionBlock? extension = LoadExtension(region, report, out ReplicaState extensionReplicas);
        return new MediaState
        {
            Geometry = geometry,
            SuperblockFlags = superblockFlags,
            CacheInfo = info,
            CacheInfoReplicas = infoReplicas,
            CacheInfoInOneReplica = infoInOne,
            UnlinkedSegments = unlinked,
            Chain = chain,
            Generations = generations,
            GenerationReplicas = generationReplicas,
            KeyTail = keyTail,
            KeyTailReplicas = keyTailReplicas,
            DirtyTail = dirtyTail,
            DirtyTailOlder = dirtyTailOlder,
            DirtyTailReplicas = dirtyTailReplicas,
            Extension = extension,
            ExtensionReplicas = extensionReplicas,
        };
    }

    private static bool LoadCacheInfo(
        PmemRegion region, FindingReporter report, Geometry geometry, out CacheInfo info, out ReplicaState state,
        out bool inOne)
    {
        const long Offset = MediaConstants.CacheInfoOffset;
        ReplicaOutcome outcome = Replicas.Read(
            region, Offset, MediaConstants.CacheInfoStride, out info, out _, out state);
        inOne = outcome == ReplicaOutcome.One;
        if (outcome == ReplicaOutcome.Blank)
        {
            throw new PCacheNotFormattedException("Both replicas of the cache info are zero: formatting was not "
                + "finished, or they were destroyed. Nothing was changed; format the device anew only if nothing on it "
                + "is needed. Linux would format it over without a word.");
        }

        if (outcome == ReplicaOutcome.None)
        {
            report.Damage(CacheInfoName, Offset, "Neither replica has a crc that fits. There may be dirty data in the "
                + "cache: keep the image, don't format it, and don't give it to Linux, which would format it "
                + "over.", null, LinuxCase.FormatsOver);
            return false;
        }

        NoteBadReplica(region, report, CacheInfoName, Offset, MediaConstants.CacheInfoStride, 24, outcome, state);
        CacheFlags flags = new(info.Flags);
        if (!flags.Initialised)
        {
            throw new PCacheNotFormattedException(
                Text($"The cache info's flags are 0x{info.Flags:X} without \"initialised\" (bit 1): formatting was not "
                    + $"finished. Nothing was changed; format the device anew."));
        }

        long place = Offset + (state.Latest * (long)MediaConstants.CacheInfoStride);
        if (flags.Mode != 0)
        {
            report.Damage(
                CacheInfoName,
                place,
                Text($"The mode is {flags.Mode}, only 0 (write-back) is known. Use the software that made the cache."),
                "setting");
        }

        if (flags.GcPercent > CacheFlags.MaxGcPercent)
        {
            report.Damage(
                CacheInfoName,
                place,
                Text($"The GC threshold is {flags.GcPercent} percent, allowed are 0 to {CacheFlags.MaxGcPercent}."),
                "setting");
        }

        bool usable = true;
        if (info.SegmentCount == 0 || info.SegmentCount > geometry.SegmentCount)
        {
            report.Damage(
                CacheInfoName, place, Text($"The number of segments in the chain is {info.SegmentCount}, allowed are 1 "
                    + $"to {geometry.SegmentCount}."));
            usable = false;
        }

        if (info.FirstSegment >= geometry.SegmentCount)
        {
            report.Damage(
                CacheInfoName, place, Text($"The chain's first segment is {info.FirstSegment}, allowed are 0 to "
                    + $"{geometry.SegmentCount - 1}."));
            usable = false;
        }

        return usable;
    }

    private static void LoadGenerations(
        PmemRegion region, FindingReporter report, Geometry geometry, int[] chain, out ulong[] generations,
        out ReplicaState[] states)
    {
        generations = new ulong[chain.Length];
        states = new ReplicaState[chain.Length];
        for (int position = 0; position < chain.Length; position++)
        {
            long offset = geometry.SegmentOffset(chain[position]) + MediaConstants.SegmentControlOffset;
            ReplicaOutcome outcome = Replicas.Read(
                region, offset, MediaConstants.GenerationStride, out GenerationRecord record, out _,
                out states[position]);
            if (outcome is ReplicaOutcome.Blank or ReplicaOutcome.None)
            {
                // Never taken for generation 0: then keys of an earlier use would come back to life, or live ones be
                // refused.
                report.Damage(
                    GenerationName, offset, Text(
                        $"Neither replica of segment {chain[position]}'s generation is valid, so live keys can't be "
                        + $"told from dead ones there. Restore the image from a copy."), null, LinuxCase.Generation);
                continue;
            }

            NoteBadReplica(
                region, report, GenerationName, offset, MediaConstants.GenerationStride, 16, outcome, states[position]);
            generations[position] = record.Generation;
        }
    }

    private static bool LoadTail(
        PmemRegion region,
        FindingReporter report,
        Geometry geometry,
        int[] chain,
        string name,
        long offset,
        out LogPosition latest,
        out LogPosition older,
        out ReplicaState state)
    {
        latest = older = default;
        ReplicaOutcome outcome = Replicas.Read(
            region, offset, MediaConstants.PositionStride, out PositionRecord record, out PositionRecord olderRecord,
            out state);
        if (outcome is ReplicaOutcome.Blank or ReplicaOutcome.None)
        {
            report.Damage(name, offset, "Neither replica is valid. Restore the image from a copy.");
            return false;
        }

        NoteBadReplica(region, report, name, offset, MediaConstants.PositionStride, 16, outcome, state);
        long place = offset + (state.Latest * (long)MediaConstants.PositionStride);
        if (record.Segment >= chain.Length)
        {
            report.Damage(
                name, place, Text($"The cache segment is {record.Segment}, allowed are 0 to {chain.Length - 1}."));
            return false;
        }

        // Linux looks at the range only: what a dirty tail inside a data area names doesn't matter to it.
        bool inside = offset == MediaConstants.DirtyTailOffset
            && record.Offset <= geometry.DataSize - MediaConstants.KsetHeaderSize;
        LinuxCase linux = inside ? LinuxCase.NeverDrains : LinuxCase.AsForUs;
        if (!IsKsetOffset(geometry, record.Offset))
        {
            report.Damage(
                name, place, Text($"The offset is {record.Offset}, allowed are multiples of 8 from 0 to "
                    + $"{geometry.DataSize - MediaConstants.KsetHeaderSize}."), null, linux);
            return false;
        }

        latest = older = new LogPosition((int)record.Segment, (int)record.Offset);
        if (outcome == ReplicaOutcome.Both)
        {
            if (olderRecord.Segment < chain.Length && IsKsetOffset(geometry, olderRecord.Offset))
            {
                older = new LogPosition((int)olderRecord.Segment, (int)olderRecord.Offset);
            }
            else
            {
                report.Note(
                    name, offset, Text($"The older replica names {olderRecord.Segment}:{olderRecord.Offset}, outside "
                        + $"every data area. The latest replica is good; the next write replaces the other."));
            }
        }

        return true;
    }

    private static bool IsKsetOffset(Geometry geometry, uint offset) =>
        offset <= geometry.DataSize - MediaConstants.KsetHeaderSize && offset % 8 == 0;

    private static ExtensionBlock? LoadExtension(PmemRegion region, FindingReporter report, out ReplicaState state)
    {
        ReplicaOutcome outcome = ExtensionBlocks.Read(region, out ExtensionBlock? block, out state);
        if (block is not ExtensionBlock extension)
        {
            return null;
        }

        NoteBadReplica(
            region, report, ExtensionBlocks.StructureName, MediaConstants.ExtensionOffset,
            MediaConstants.ExtensionStride, 256, outcome, state);
        if (extension.BackingLength > long.MaxValue)
        {
            report.Damage(ExtensionBlocks.StructureName, state.Latest * (long)MediaConstants.ExtensionStride,
                Text($"The backing length is {extension.BackingLength}, allowed are 0 to {long.MaxValue}."));
            return null;
        }

        return extension;
    }

    /// <summary>
    /// Notes the other replica, unless it is blank because only the first write after formatting has been done.
    /// </summary>
    private static void NoteBadReplica(
        PmemRegion region, FindingReporter report, string structure, long offset, int stride, int sizeBytes,
        ReplicaOutcome outcome, ReplicaState state)
    {
        if (report.IsStrict || outcome != ReplicaOutcome.One)
        {
            return;
        }

        int bad = 1 - state.Latest;
        long place = offset + (bad * (long)stride);
        if (state.Sequence == 1)
        {
            Span<byte> bytes = stackalloc byte[sizeBytes];
            try
            {
                region.ReadMetadata(place, bytes);
                if (!bytes.ContainsAnyExcept((byte)0))
                {
                    return;
                }
            }
            catch (IOException)
            {
                // Unreadable: noted below like any other bad replica.
            }
        }

        report.Note(
            structure, place, Text($"Replica {bad} is damaged; replica {state.Latest} is good and is used. Nothing to "
                + $"do: the next write replaces the bad one."));
    }

    private static string Text(InvariantText text) => text.Take();
}
