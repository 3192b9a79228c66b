// Keeps true: it runs until it is killed; the end of standard input ends it too (the parent is gone); an error ends
// it with an exit code, never unseen.
using System.CommandLine;
using PCache.Core;
using PCache.Tool.Kills;

namespace PCache.Tool.Demo;

/// <summary>The hidden command that the demo starts and kills.</summary>
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
        Option<int?> flushEvery = Required(
            CommonOptions.Number("--flush-every", "Writes per flush on average.", 1, int.MaxValue));
        Option<int?> firstId = Required(
            CommonOptions.Number("--first-id", "First write id.", 1, (int)MarkedSector.MaxWriteId));
        var powerSafe = new Option<bool>("--power-safe") { Description = "Open the cache file power-safe." };
        var throttled = new Option<bool>("--throttled") { Description = "Throttle the backing." };
        var command = new ToolCommand(
            Name, "Writes until it is killed; started by the demo.", "pcache demo")
        { Hidden = true };
        command.Add(cache);
        command.Add(backing);
        Option[] options = [seed, sectors, writers, flushEvery, firstId, powerSafe, throttled];
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
                Throttled = parse.GetValue(throttled),
            },
            (uint)parse.GetRequiredValue(firstId)!.Value));
        return command;
    }

    private static Option<int?> Required(Option<int?> option)
    {
        option.Required = true;
        return option;
    }

    private static int Run(ToolContext context, WriterSettings settings, uint firstId)
    {
        ParentWatch.Start(context);
        IBlockDevice backing = CacheFiles.OpenBacking(settings.BackingPath, readOnly: false);
        if (settings.Throttled)
        {
            backing = SlowBacking.Over(backing);
        }

        var options = new PCacheOptions
        {
            WritebackDelay = TimeSpan.FromMilliseconds(50),
            WritebackConcurrency = SlowBacking.WritebackConcurrency
        };
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
                    PlannedWriter.Run(device, plan, log, id);
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
}
