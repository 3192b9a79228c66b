using System.Buffers.Binary;
using PCache.Core;
using PCache.Core.Layout;
using PCache.Core.Primitives;
using PCache.Lab.Audits;

namespace PCache.Lab.Torture;

/// <summary>
/// Stops a simulated machine at every moment, takes the states that a crash then may leave, recovers each, and holds the result against the oracle. Keeps
/// true: the machine under test isn't touched; the same seed tries the same states; a recovery is itself crashed at its persist points, and so on to the depth.
/// </summary>
internal sealed class CrashExplorer(ExplorerOptions options, int seed, TortureCounters counters) : IWorldObserver
{
    private const int KeyTailOffset = 16384;
    private const int DirtyTailOffset = KeyTailOffset + 32;

    private readonly Random _random = new(seed);
    private readonly List<SimulatedPmem> _scratch = [];
    private World _world = null!;
    private bool _damaged; // whether a replica was lost in the state at hand

    /// <summary>Nothing is explored before this action of the script.</summary>
    public int FirstAction { get; init; }

    /// <summary>Whether the making of the cache is explored too.</summary>
    public bool ExploresCreation { get; init; } = true;

    /// <summary>Told of each state; null: none is there.</summary>
    public TortureWatch? Watch { get; init; }

    public void BeforeEvent(World world, WorldEvent what)
    {
        _world = world;
        if (counters.States >= options.MostStates || world.ActionNumber < FirstAction || (!world.IsFormatted && !ExploresCreation) || (options.PointOneIn > 1 && what != WorldEvent.End && _random.Next(options.PointOneIn) > 0))
        {
            return;
        }

        switch (what)
        {
            case WorldEvent.Store:
                if (_random.Next(options.KillOneStoreIn) == 0)
                {
                    counters.Points++;
                    Try(world.Region, world.Disk, null, 0);
                }

                break;
            case WorldEvent.Drain:
                counters.Points++;
                Try(world.Region, world.Disk, null, 0);
                Explore(world.Region, world.Disk, options.StatesPerDrain, options.AllUpTo, 0);
                break;
            default:
                counters.Points++;
                Try(world.Region, world.Disk, null, 0);
                ExploreDisk(world.Region, world.Disk, 0);
                break;
        }
    }

    /// <summary>Power cuts: the states of the region, each with one of the disk.</summary>
    private void Explore(SimulatedPmem region, SimulatedDisk disk, int budget, int allUpTo, int level) =>
        CrashStates.Visit(region.Open, budget, allUpTo, _random, versions => Try(region, disk, versions, level));

    /// <summary>Power cuts with the disk in the middle of something: several states of it.</summary>
    private void ExploreDisk(SimulatedPmem region, SimulatedDisk disk, int level)
    {
        var versions = new int[region.Open.Count];
        int states = disk.IsOpen || versions.Length > 0 ? options.StatesPerDiskCall : 1;
        for (int i = 0; i < states; i++)
        {
            if (i < 2)
            {
                Array.Fill(versions, i);
            }
            else
            {
                CrashStates.Draw(region.Open.All, versions, _random);
            }

            Try(region, disk, versions, level);
        }
    }

    /// <summary>One state: null is a kill.</summary>
    private void Try(SimulatedPmem region, SimulatedDisk disk, int[]? versions, int level)
    {
        counters.States++;
        Watch?.Progress();
        SimulatedPmem image = Scratch(level, region);
        if (versions is null)
        {
            image.LoadKill(region);
        }
        else
        {
            image.LoadPowerCut(region, versions);
        }

        SimulatedDisk left = versions is null ? disk.AfterKill() : disk.AfterPowerCut(_random);
        bool before = _damaged;
        bool damaged = versions is not null && options.LoseReplicaOneIn > 0 && _world.IsFormatted && _random.Next(options.LoseReplicaOneIn) == 0 && LoseReplica(image);
        _damaged |= damaged;
        try
        {
            Check(image, left, level, killed: versions is null && level == 0);
        }
        catch (Exception e) when (e is not TortureViolation { InnerException: TortureViolation })
        {
            string state = versions is null ? "a kill" : $"a power cut leaving {Describe(versions)} of {versions.Length} open words";
            throw new TortureViolation(
                $"After {state}{(level > 0 ? $" of recovery {level}" : "")}{(damaged ? ", with one replica of a tail lost" : "")}, during action {_world.ActionNumber} ({_world.Now}): {e.Message}",
                e as TortureViolation ?? new TortureViolation(e.ToString()));
        }
        finally
        {
            image.BeforeEvent = null;
            _damaged = before;
        }
    }

    private static string Describe(int[] versions) =>
        versions.Length <= 32 ? string.Concat(versions.Select(v => v < 10 ? (char)('0' + v) : '+')) : $"{versions.Count(v => v > 0)} new words";

    private void Check(SimulatedPmem image, SimulatedDisk disk, int level, bool killed)
    {
        World world = _world;
        PCacheOptions settings = MachineClock.On(
            world.Options with { TimeProvider = new VirtualClock() }, new Machine { Chance = Chance.FromSeed(_random.Next(), world.Settings.Cores) });
        settings = WorldSettings.InFrontOf(disk, settings);
        CheckBacking(disk);
        bool nest = options.NestOneIn > 0 && level + 1 < options.Depth && _random.Next(options.NestOneIn) == 0;
        if (!world.IsFormatted)
        {
            CheckUnfinished(image, disk, settings);
            return;
        }

        LogPosition? head = world.IsOpening || level > 0 || _damaged ? null : world.Device.Internals.Store.Positions.KeyHead.Position;
        if (head is not null)
        {
            OwnImage.AfterCrash(world.Device, image, world.Settings);
        }

        StateChecks.Sound(image);
        if (options.ReadOnlyOneIn > 0 && _random.Next(options.ReadOnlyOneIn) == 0)
        {
            CheckReadOnly(image, disk, settings, killed);
        }

        image.BeforeEvent = e =>
        {
            Watch?.Event();
            if (nest && e == PmemEvent.Drain)
            {
                Explore(image, disk, options.NestedStatesPerDrain, 0, level + 1);
            }
        };

        counters.Recoveries++;
        int olderKeyTail = _damaged ? -1 : OwnImage.OlderKeyTail(image);
        PCacheDevice device = PCacheDevice.Open(image, disk, settings);
        image.BeforeEvent = Watch is { } watch ? _ => watch.Event() : null;
        if (!_damaged)
        {
            OwnImage.AfterOpen(device, image, world.Settings, head);
            OwnImage.SegmentsInUse(device, image, world.Settings, olderKeyTail);
        }

        byte[]? found = options.SecondLifeOneIn > 0 && _random.Next(options.SecondLifeOneIn) == 0 ? new byte[World.Universe.Slots * 512] : null;
        world.Oracle.CheckLegal(device, found, killed);
        if (found is not null)
        {
            counters.SecondLives++;
            SecondLife(device, image, disk, settings, found, level);
        }

        StateChecks.Sound(image);
    }

    /// <summary>The backing alone, if the cache were lost in this crash: what it is worth is what its level says.</summary>
    private void CheckBacking(SimulatedDisk disk)
    {
        switch (_world.Settings.Consistency)
        {
            case BackingConsistency.EachFlush:
                _world.Oracle.History.Check(disk);
                break;
            case BackingConsistency.Checkpoint:
                SimulatedDisk alone = disk.AfterKill();
                alone.BeforeCall = null;
                Recover(alone);
                if (_world.HasForcedBarriers)
                {
                    _world.Oracle.Operations.Check(alone);
                }
                else
                {
                    _world.Oracle.History.Check(alone, isExact: true);
                }

                break;
            default:
                break; // nothing before it is drained
        }
    }

    /// <summary>Applies the journal as the library does, and holds that against what the format's page says.</summary>
    private static void Recover(SimulatedDisk alone)
    {
        IReadOnlyList<(long Offset, byte[] Bytes)>? model = JournalModel.Read(alone.Companion!.Snapshot());
        JournalOutcome outcome = PCacheBacking.Recover(alone, alone.Companion!).Outcome;
        if (outcome == JournalOutcome.Applied != model is not null)
        {
            throw new TortureViolation($"The journal is {(model is null ? "not " : "")}whole by the format's page, and the library says {outcome}.");
        }

        foreach ((long offset, byte[] bytes) in model ?? [])
        {
            if (!alone.Peek(offset, bytes.Length).AsSpan().SequenceEqual(bytes))
            {
                throw new TortureViolation($"The journal's {bytes.Length} bytes at {offset} aren't on the backing it was applied to.");
            }
        }
    }

    /// <summary>A crash while the cache was being made: it is one, empty, or none yet; making it again works.</summary>
    private void CheckUnfinished(SimulatedPmem image, SimulatedDisk disk, PCacheOptions settings)
    {
        counters.Recoveries++;
        if (_world.Superblock.Length > 0)
        {
            OwnImage.AfterUnfinishedFormat(image, _world.Superblock);
        }

        PCacheDevice device;
        try
        {
            if (MediaLoader.Load(image).Extension is not { BackingLength: > 0 })
            {
                throw new TortureViolation("A new cache isn't bound to its backing.");
            }

            device = PCacheDevice.Open(image, disk, settings);
        }
        catch (PCacheException e) when (e is not PCacheCorruptionException)
        {
            device = PCacheDevice.Create(image, disk, settings with { OverwriteExisting = true });
        }

        _world.Oracle.CheckLegal(device);
        StateChecks.Sound(image);
    }

    private void CheckReadOnly(SimulatedPmem image, SimulatedDisk disk, PCacheOptions settings, bool killed)
    {
        byte[] before = image.KillImage();
        PCacheDevice device = PCacheDevice.Open(image, disk, settings with { ReadOnly = true });
        _world.Oracle.CheckLegal(device, killed: killed);
        device.Dispose();
        if (!before.AsSpan().SequenceEqual(image.KillImage()) || disk.Calls(DiskOperation.Write) + disk.Calls(DiskOperation.SetLength) + disk.Calls(DiskOperation.WriteZeroes) > 0)
        {
            throw new TortureViolation("A read-only open has changed something.");
        }
    }

    /// <summary>What was recovered stays, through write-back and one more crash; and the cache accepts, drains and collects.</summary>
    private void SecondLife(PCacheDevice device, SimulatedPmem image, SimulatedDisk disk, PCacheOptions settings, byte[] found, int level)
    {
        World world = _world;
        for (int i = _random.Next(16); i > 0; i--)
        {
            _ = device.RunMaintenanceStep();
        }

        byte[] bytes = SectorStamps.Make(1 << 20, 4096, 1);
        for (int i = _random.Next(4); i >= 0; i--)
        {
            device.Write(1 << 20, bytes);
        }

        if (device.Length > WorldSettings.UniverseEnd + bytes.Length)
        {
            device.Write(device.Length - bytes.Length, bytes); // a growth that a kill left undecided must be durable before keys beyond it
        }

        device.Flush();
        if (level + 1 < options.Depth)
        {
            // All that the flush covers, what the first life had left included, survives a power cut now.
            counters.States++;
            counters.Recoveries++;
            SimulatedPmem next = Scratch(level + 1, image);
            next.LoadPowerCut(image, new int[image.Open.Count]);
            SimulatedDisk left = disk.AfterPowerCut(_random);
            using PCacheDevice third = PCacheDevice.Open(next, left, WorldSettings.InFrontOf(left, settings));
            world.Oracle.CheckSame(third, found, "flushed after a recovery and crashed");
        }

        device.Drain();
        world.Oracle.CheckSame(device, found, "drained after a recovery");
        world.Oracle.CheckSame(disk.AfterPowerCut(null), found, "on the backing alone after a recovery and a drain");
        Churn(device, bytes);
        world.Oracle.CheckSame(device, found, "after a recovery and some turns of the cache");
        IntegrityAudit.Check(device, image);
        if (disk.Violations.Count > 0)
        {
            throw new TortureViolation($"The backing was used wrongly: {disk.Violations[0]}.");
        }
    }

    /// <summary>Writes more than the cache holds: a reference too many, and it gets stuck; one too few, and data is overwritten.</summary>
    private void Churn(PCacheDevice device, byte[] bytes)
    {
        if (_random.Next(4) > 0 || _world.Settings.SegmentBytes > 64 << 10)
        {
            return;
        }

        for (int i = _world.Settings.Segments * 16; i > 0; i--)
        {
            device.Write(1 << 20, bytes);
        }
    }

    /// <summary>One replica of a tail may be lost besides: falling back to the other one must never be harmful.</summary>
    private bool LoseReplica(SimulatedPmem image)
    {
        int tail = _random.Next(2) == 0 ? KeyTailOffset : DirtyTailOffset;
        if (!IsValid(image.ReadSpan(tail, 16)) || !IsValid(image.ReadSpan(tail + 16, 16)))
        {
            return false;
        }

        image.FlipBit(tail + (_random.Next(2) * 16), _random.Next(8));
        return true;

        static bool IsValid(ReadOnlySpan<byte> position) => BinaryPrimitives.ReadUInt32LittleEndian(position) == Crc32C.HashToUInt32(position[4..]);
    }

    private SimulatedPmem Scratch(int level, SimulatedPmem like)
    {
        while (_scratch.Count <= level)
        {
            _scratch.Add(SimulatedPmem.Allocate(like.LengthBytes, like.DrainIsCheap));
        }

        return _scratch[level];
    }
}
