// Keeps true: the example of the package's page works for who has nothing but the packages that it names, and leaves a
// database that plain SQLite reads.

using PCache.Packages.Tests.Support;

namespace PCache.Packages.Tests;

/// <summary>PCache.Sqlite as an application with Microsoft.Data.Sqlite has it.</summary>
[Collection(PackedPackagesGroup.Name)]
public sealed class SqliteConsumerTests(PackedPackages packages)
{
    [Fact]
    public void The_example_of_the_readme_compiles_and_runs()
    {
        string program = $$"""
            using Microsoft.Data.Sqlite;
            using PCache.Core.Pmem;
            using PCache.Sqlite;

            string path = Path.GetFullPath("note.db");
            Cached(path);
            using var plain = new SqliteConnection($"Data Source={path}");
            plain.Open();
            using SqliteCommand query = plain.CreateCommand();
            query.CommandText = "SELECT text FROM note";
            Console.WriteLine($"plain SQLite: {query.ExecuteScalar()}");

            static void Cached(string path)
            {
            {{PageExamples.Get("src/PCache.Sqlite/README.md", "sqlite")}}
            }
            """;
        var consumer = new Consumer(packages, "notes", ExpectedPackages.Sqlite, program, "Microsoft.Data.Sqlite.Core",
            "SQLitePCLRaw.bundle_e_sqlite3");
        consumer.Build();
        CommandResult run = consumer.Run(published: null).MustSucceed();
        Assert.Equal("plain SQLite: durable when this returns", run.Output.Trim());
    }
}
