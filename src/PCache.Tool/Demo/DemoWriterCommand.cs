// Keeps true: an acknowledgement is logged only after Flush or the FUA write has returned; each writer makes its ids in ascending order, and flushes after
// WritePlan.MaxWritesPerFlush writes at the latest. It runs until it is killed; the end of standard input ends it too (the parent is gone).
using System.CommandLine;
using PCache.Core;

namespace PCache.Tool.Demo;

/// <summary>The hidden command that the demo and the kill loop start and kill.</summary>
internal static class DemoWriterCommand
{
    public const string Name = "demo-writer";

    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Argument<string> backing = CommonOptions.Backing();
        Option<int?> seed = Required(CommonOptions.Number("--seed", "Seed of the plan.", 0, int.MaxValue));
        Option<int?> sectors = Required(CommonOptions.Number("--sectors", "Sectors of the device.", 1, int.MaxValue));
        Option<int?> writers = Required(CommonOptions.Number("--writers", "Number of threads.", 1, 64));
        Option<int?> flushEvery = Required(CommonOptions.Number("--flush-every", "Writes per flush on average.", 1, int.MaxValue));
        Option<int?> firstId = Required(CommonOptions.Number("--first-id", "First write id.", 1, (int)SectorPattern.MaxWriteId));
        var powerSafe = new Option<bool>("--power-safe") { Description = "Open the cache file power-safe." };
        var persistWrites = new Option<bool>("--persist-writes") { Description = "Never flush: each write is to survive the kill once it has returned. Only with --first-ids." };
        var firstIds = new Option<string?>("--first-ids") { Description = "First write ids of many images: writes all of them at once, see KillWriters." };
        var throttled = new Option<bool>("--throttled") { Description = "Throttle the backing." };
        var command = new ToolCommand(Name, "Writes until it is killed; started by the demo.", "pcache demo") { Hidden = true };
        command.Add(cache);
        command.Add(backing);
        Option[] options = [seed, sectors, writers, flushEvery, firstId, powerSafe, persistWrites, throttled, firstIds];
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetAction(parse => Run(
            context,
            new WriterSettings
            {
                CachePath = parse.GetRequiredValue(cache),
                BackingPath = parse.GetRequiredValue(backing),
                Seed = parse.GetRequiredValue(seed)!.Value,
                Sectors = (uint)parse.GetRequiredValue(sectors)!.Value,
                Writers = (uint)parse.GetRequiredValue(writers)!.Value,
                FlushEvery = (uint)parse.GetRequiredValue(flushEvery)!.Value,
                PowerSafe = parse.GetValue(powerSafe),
                PersistWrites = parse.GetValue(persistWrites),
                Throttled = parse.GetValue(throttled),
            },
            (uint)parse.GetRequiredValue(firstId)!.Value,
            parse.GetValue(firstIds)));
        return command;
    }

    private static Option<int?> Required(Option<int?> option)
    {
        option.Required = true;
        return option;
    }

    private static int Run(ToolContext context, WriterSettings settings, uint firstId, string? firstIds)
    {
        ExitWithParent(context);
        if (firstIds is not null)
        {
            return KillWriters.Run(settings, firstIds, () => new AckWriter(context.OpenOutput()).Ready());
        }

        IBlockDevice backing = CacheFiles.OpenBacking(settings.BackingPath, readOnly: false);
        if (settings.Throttled)
        {
            backing = DemoImages.Throttle(backing);
        }

        var options = new PCacheOptions { WritebackDelay = TimeSpan.FromMilliseconds(50), WritebackConcurrency = DemoImages.WritebackConcurrency };
        using PCacheDevice device = CacheFiles.OpenDevice(settings.CachePath, backing, options, settings.PowerSafe);
        WritePlan plan = settings.CreatePlan();
        var log = new AckWriter(context.OpenOutput());
        log.Ready();
        Exception? failure = null;
        var threads = new Thread[settings.Writers];
        for (uint i = 0; i < threads.Length; i++)
        {
            uint id = firstId + i;
            threads[i] = new Thread(() =>
            {
                try
                {
                    WriteLoop(device, plan, log, id);
                }
                catch (Exception exception) when (exception is IOException or ObjectDisposedException)
                {
                    Interlocked.CompareExchange(ref failure, exception, null);
                }
            })
            {
                Name = "pcache demo writer",
            };
        }

        foreach (Thread thread in threads)
        {
            thread.Start();
        }

        foreach (Thread thread in threads)
        {
            thread.Join();
        }

        throw failure switch
        {
            PCacheCorruptionException => ToolException.Damage(failure.Message, failure),
            not null => ToolException.Refused(failure.Message, failure),
            null => ToolException.Refused("The writer has used up all write ids. Kill it earlier."),
        };
    }

    /// <summary>Writes until all ids are used up, or told to stop; returns the next id. If it persists, each write that returns counts as acknowledged, and none is flushed.</summary>
    internal static uint WriteLoop(PCacheDevice device, WritePlan plan, AckWriter log, uint id, Func<bool>? stop = null, bool persists = false)
    {
        byte[] buffer = new byte[WritePlan.MaxSectorsPerWrite * SectorPattern.SectorSize];
        uint sinceFlush = 0;
        for (; id <= SectorPattern.MaxWriteId && stop?.Invoke() != true; id += plan.Writers)
        {
            PlannedWrite write = plan.Get(id);
            Span<byte> content = buffer.AsSpan(0, (int)write.SectorCount * SectorPattern.SectorSize);
            SectorPattern.Fill(content, write.FirstSector, id);
            if (persists)
            {
                device.Write((long)write.FirstSector * SectorPattern.SectorSize, content);
                log.Flushed(id); // as if it had been: this writer's writes up to this one are there
                continue;
            }

            WriteDurability durability = write.ForceUnitAccess ? WriteDurability.ForceUnitAccess : WriteDurability.Normal;
            device.Write((long)write.FirstSector * SectorPattern.SectorSize, content, durability);
            if (write.ForceUnitAccess)
            {
                log.ForceUnitAccess(id);
            }

            sinceFlush++;
            if (write.FlushAfter || sinceFlush == WritePlan.MaxWritesPerFlush)
            {
                device.Flush();
                log.Flushed(id);
                sinceFlush = 0;
            }
        }

        if (sinceFlush > 0)
        {
            device.Flush(); // the count begins anew with the next call
            log.Flushed(id - plan.Writers);
        }

        return id;
    }

    private static void ExitWithParent(ToolContext context)
    {
        Stream input = context.OpenInput();
        var watcher = new Thread(() =>
        {
            try
            {
                while (input.ReadByte() >= 0)
                {
                }
            }
            catch (IOException)
            {
                // As good as the end.
            }

            Environment.Exit(ExitCode.Interrupted);
        })
        {
            IsBackground = true,
            Name = "pcache demo parent watch",
        };
        watcher.Start();
    }
}
