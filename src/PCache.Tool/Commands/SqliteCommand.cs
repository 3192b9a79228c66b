// Keeps true: a database is drained only while no process has it open, and only over the plain files that its cache
// has left, or with consent; "status" changes nothing.
using System.CommandLine;
using PCache.Core;
using PCache.Core.Files;
using PCache.Sqlite;

namespace PCache.Tool.Commands;

/// <summary><c>pcache sqlite</c>: the cache of a SQLite database, without its application.</summary>
internal static class SqliteCommand
{
    public static Command Build(ToolContext context)
    {
        var command = new ToolCommand(
            "sqlite", "The cache of a SQLite database, without its application.", "pcache sqlite status app.db",
            "pcache sqlite drain app.db");
        command.Add(BuildStatus(context));
        command.Add(BuildDrain(context));
        return command;
    }

    private static ToolCommand BuildStatus(ToolContext context)
    {
        Argument<string> database = Database();
        Option<string?> folder = Folder();
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("status", "Shows whether a database has a cache, where, and what is in it that "
            + "the plain files don't have.", "pcache sqlite status app.db");
        command.Add(database);
        command.Add(folder);
        command.Add(json);
        command.SetAction(
            parse => Explaining(
                () => Status(
                    context, PCacheDatabase.GetStatus(parse.GetRequiredValue(database), parse.GetValue(folder)),
                    parse.GetValue(json))));
        return command;
    }

    private static ToolCommand BuildDrain(ToolContext context)
    {
        Argument<string> database = Database();
        Option<string?> folder = Folder();
        var anyBacking = new Option<bool>("--any-backing")
        {
            Description = "Write over the plain files although they were changed, restored or replaced: the result may "
                + "be a mixture.",
        };
        Option<bool> json = CommonOptions.Json();
        var command = new ToolCommand("drain", "Writes everything back to the plain files and removes the cache: an "
            + "ordinary database is left.", "pcache sqlite drain app.db");
        command.Add(database);
        command.Add(folder);
        command.Add(anyBacking);
        command.Add(json);
        command.SetAction((parse, cancellation) => Task.Run(
            () => Explaining(() =>
            {
                PCacheDatabaseStatus before;
                using (var bar = new ProgressBar(context, "writing back"))
                {
                    before = PCacheDatabase.Drain(
                        parse.GetRequiredValue(database),
                        parse.GetValue(folder),
                        parse.GetValue(anyBacking),
                        new DirectProgress<DrainProgress>(
                            p => bar.Report(p.WrittenBytes, p.WrittenBytes + p.RemainingBytes)),
                        cancellation);
                }

                Drained(context, before, parse.GetValue(json));
                return ExitCode.Done;
            }),
            CancellationToken.None));
        return command;
    }

    private static int Status(ToolContext context, PCacheDatabaseStatus status, bool json)
    {
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteString("database", status.Path);
                writer.WriteString("cache", status.CachePath);
                writer.WriteString("cacheId", status.CachePath is null ? null : status.CacheId.ToString());
                writer.WriteNumber("dirtyBytes", status.DirtyBytes);
                writer.WriteBoolean("clean", status.CachePath is null);
                writer.WriteString("mismatch", status.Mismatch);
            });
        }
        else if (status.CachePath is null)
        {
            context.Out.WriteLine("The plain files have everything: no cache is needed.");
        }
        else
        {
            context.Out.WriteLine($"cache:        {SafeText.Of(status.CachePath)}");
            context.Out.WriteLine($"id:           {status.CacheId}");
            context.Out.WriteLine($"dirty:        {status.DirtyBytes} bytes that the plain files don't have");
            context.Out.WriteLine($"plain files:  "
                + $"{SafeText.Of(status.Mismatch) switch { "" => "as the cache has left them", var text => text }}");
        }

        return status.Mismatch is null ? ExitCode.Done : ExitCode.Damage;
    }

    private static void Drained(ToolContext context, PCacheDatabaseStatus before, bool json)
    {
        if (json)
        {
            JsonOutput.WriteObject(context.Out, writer =>
            {
                writer.WriteString("database", before.Path);
                writer.WriteString("cache", before.CachePath);
                writer.WriteNumber("writtenBytes", before.DirtyBytes);
                writer.WriteBoolean("clean", true);
            });
            return;
        }

        context.Out.WriteLine(before.CachePath is null
            ? "The plain files have everything: there was nothing to write back."
            : $"Everything dirty ({before.DirtyBytes} bytes) is on the plain files; '{SafeText.Of(before.CachePath)}' "
                + $"is removed. The database is an ordinary one.");
    }

    /// <summary>
    /// The library's messages say what to do about a database; the general ones are about caches of other things.
    /// </summary>
    private static int Explaining(Func<int> run)
    {
        try
        {
            return run();
        }
        catch (PCacheBackingMismatchException e)
        {
            throw ToolException.Refused(ErrorReport.OneLine(e.Message), e);
        }
        catch (PlatformNotSupportedException e)
        {
            throw ToolException.Refused(ErrorReport.OneLine(e.Message), e);
        }
    }

    private static Argument<string> Database() => new("DATABASE") { Description = "The database's file." };

    private static Option<string?> Folder() => new("--cache-directory")
    {
        Description = "The folder in which the application keeps its caches; only needed where the mark beside the "
            + "database is lost.",
        HelpName = "DIR",
    };
}
