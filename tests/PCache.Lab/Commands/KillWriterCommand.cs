// Keeps true: it runs until it is killed; the end of standard input ends it too (the parent is gone); an error ends it
// with an exit code, never unseen.
using System.CommandLine;
using PCache.Lab.Kills;
using PCache.Tool.Kills;

namespace PCache.Lab.Commands;

/// <summary>The hidden verb that the kill loop starts and kills.</summary>
internal static class KillWriterCommand
{
    public const string Name = "kill-writer";

    public static Command Build(ToolContext context)
    {
        Argument<string> cache = CommonOptions.Cache();
        Argument<string> backing = CommonOptions.Backing();
        Option<int?> seed = Required(CommonOptions.Number("--seed", "Seed of the plan.", 0, int.MaxValue));
        Option<int?> sectors = Required(CommonOptions.Number("--sectors", "Sectors of each device.", 1, int.MaxValue));
        Option<int?> writers = Required(CommonOptions.Number("--writers", "Number of threads on each device.", 1, 64));
        Option<int?> flushEvery = Required(
            CommonOptions.Number("--flush-every", "Writes per flush on average.", 1, int.MaxValue));
        Option<int?> firstId = Required(
            CommonOptions.Number("--first-id", "Least first write id.", 1, (int)MarkedSector.MaxWriteId));
        var firstIds = new Option<string>("--first-ids")
        {
            Description = "First write id of each image.",
            Required = true,
        };
        var powerSafe = new Option<bool>("--power-safe") { Description = "Open the cache files power-safe." };
        var persistWrites = new Option<bool>("--persist-writes")
        {
            Description = "Never flush: each write is to survive the kill once it has returned.",
        };
        var command = new ToolCommand(Name, "Writes until it is killed; started by kills.", LabCommand.Start
            + " kills")
        { Hidden = true };
        command.Add(cache);
        command.Add(backing);
        Option[] options = [seed, sectors, writers, flushEvery, firstId, firstIds, powerSafe, persistWrites];
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetAction(parse =>
        {
            ParentWatch.Start(context);
            var settings = new WriterSettings
            {
                CachePath = parse.GetRequiredValue(cache),
                BackingPath = parse.GetRequiredValue(backing),
                Seed = parse.GetRequiredValue(seed)!.Value,
                Sectors = (uint)parse.GetRequiredValue(sectors)!.Value,
                Writers = (uint)parse.GetRequiredValue(writers)!.Value,
                FlushEvery = (uint)parse.GetRequiredValue(flushEvery)!.Value,
                PowerSafe = parse.GetValue(powerSafe),
                PersistWrites = parse.GetValue(persistWrites),
            };
            return KillWriters.Run(settings, parse.GetRequiredValue(firstIds), () =>
                new AckWriter(context.OpenOutput()).Ready());
        });
        return command;
    }

    private static Option<int?> Required(Option<int?> option)
    {
        option.Required = true;
        return option;
    }
}
