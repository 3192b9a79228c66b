// Keeps true: what was done, or that there was nothing to do, is said in one sentence; a journal that isn't this
// backing's changes nothing.
using System.CommandLine;
using System.Globalization;
using PCache.Core;

namespace PCache.Tool.Commands;

/// <summary>
/// <c>pcache recover</c>: applies the checkpoint journal that a lost cache has left beside a backing.
/// </summary>
internal static class RecoverCommand
{
    public static Command Build(ToolContext context)
    {
        Argument<string> backing = CommonOptions.Backing();
        var journal = new Option<string?>("--journal")
        {
            Description = "The journal, where it isn't the backing's path with \".pcache-journal\" behind it.",
            HelpName = "FILE",
        };
        var copied = new Option<bool>("--copied")
        {
            Description = "Backing and journal were copied: apply it although it was made for another file.",
        };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand(
            "recover",
            "Applies the checkpoint journal that a lost cache has left beside its backing. A cache that can still be "
            + "opened has everything, and needs no such thing.",
            "pcache recover disk.img");
        command.Add(backing);
        command.Add(journal);
        command.Add(copied);
        command.Add(json);
        command.SetAction(parse => Run(
            context, parse.GetRequiredValue(backing), parse.GetValue(journal), parse.GetValue(copied),
            parse.GetValue(json)));
        return command;
    }

    private static int Run(ToolContext context, string backingPath, string? journalPath, bool copied, bool json)
    {
        CacheFiles.RequireFile(backingPath, "backing");
        if (journalPath is not null)
        {
            CacheFiles.RequireFile(journalPath, "journal");
        }

        JournalRecovery recovery;
        try
        {
            recovery = PCacheBacking.Recover(backingPath, journalPath, copied);
        }
        catch (PCacheBackingMismatchException mismatch)
        {
            throw ToolException.Refused(
                $"{backingPath}: {mismatch.Message} If both were copied, give --copied.", mismatch);
        }

        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteString("outcome", recovery.Outcome switch
                {
                    JournalOutcome.Applied => "applied",
                    JournalOutcome.Torn => "torn",
                    _ => "none",
                });
                writer.WriteNumber("writtenBytes", recovery.LengthBytes);
                writer.WriteNumber("ranges", recovery.Records);
            });
            return ExitCode.Done;
        }

        context.Out.WriteLine(recovery.Outcome switch
        {
            JournalOutcome.Applied => string.Create(CultureInfo.InvariantCulture,
                $"Applied checkpoint {recovery.Number} of {recovery.MadeAt:u}: {recovery.LengthBytes} bytes in "
                + $"{recovery.Records} ranges. The backing is as of a flush, and the journal is gone."),
            JournalOutcome.Torn => "The journal was never completed, so the backing was not touched after it: it is as "
                + "of a flush as it stands. Nothing was changed.",
            _ => "There is no journal: the backing is as it stands. Nothing was changed.",
        });
        return ExitCode.Done;
    }
}
