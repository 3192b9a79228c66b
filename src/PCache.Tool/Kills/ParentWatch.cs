// Keeps true: a writer process doesn't outlive the process that started it: the end of its standard input ends it.
namespace PCache.Tool.Kills;

/// <summary>Ends this process with its parent.</summary>
internal static class ParentWatch
{
    /// <summary>Starts to watch standard input.</summary>
    public static void Start(ToolContext context)
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
            Name = "pcache parent watch",
        };
        watcher.Start();
    }
}
