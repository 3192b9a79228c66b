using PCache.Sqlite.Tests.Kills;

namespace PCache.Sqlite.Tests;

/// <summary>The test assembly as a program: the process that the kill test kills.</summary>
internal static class Program
{
    public static int Main(string[] arguments) => KillWriter.Run(arguments);
}
