using Microsoft.Data.Sqlite;
using PCache.Core.Pmem;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>
/// The examples of the pages are the code that runs here, word for word: between "// example: NAME" and "// end of
/// example" here, below "&lt;!-- example: NAME --&gt;" there.
/// </summary>
public sealed class ExampleTests
{
    [Fact]
    public void The_first_example_runs()
    {
        using var folder = new TempFolder();
        string path = folder.File("app.db");

        // example: sqlite
        SQLitePCL.Batteries_V2.Init();
        using PCacheVfsRegistration registration = PCacheVfs.Register(new PCacheVfsOptions
        {
            Name = "pcache",
            // a commit survives the death of the process, not a power cut: see the table
            Region = new PmemFileOptions { PowerSafe = false },
        });

        using (var connection = new SqliteConnection($"Data Source={path};Vfs=pcache"))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText =
                "CREATE TABLE note (text TEXT); INSERT INTO note VALUES ('durable when this returns')";
            command.ExecuteNonQuery();
        }

        registration.Drain(path);         // at any time: the plain files have everything up to here
        SqliteConnection.ClearAllPools(); // the last close drains too, and leaves an ordinary database
        // end of example

        Assert.False(File.Exists(path + ".pcache"));
        using var plain = new SqliteConnection($"Data Source={path};Pooling=False");
        plain.Open();
        using SqliteCommand query = plain.CreateCommand();
        query.CommandText = "SELECT text FROM note";
        Assert.Equal("durable when this returns", query.ExecuteScalar());
    }

    [Theory]
    [InlineData("src/PCache.Sqlite/README.md")]
    [InlineData("docs/sqlite.md")]
    public void Pages_show_the_example_word_for_word(string page)
    {
        string text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, page)).ReplaceLineEndings("\n");
        string source = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "tests/PCache.Sqlite.Tests/ExampleTests.cs"))
            .ReplaceLineEndings("\n");
        const string Begin = "        // example: sqlite\n";
        int begin = source.IndexOf(Begin, StringComparison.Ordinal) + Begin.Length;
        string[] lines = source[begin..source.IndexOf("        // end of example", begin, StringComparison.Ordinal)]
            .Split('\n');
        string code = string.Join('\n',
            lines.Select(line => line.StartsWith("        ", StringComparison.Ordinal) ? line[8..] : line));
        Assert.Contains("<!-- example: sqlite -->\n```csharp\n" + code + "```", text, StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_has_every_option()
    {
        string text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs/sqlite.md"));
        Assert.All(typeof(PCacheVfsOptions).GetProperties().Where(property => property.Name != "EqualityContract"),
            property =>
            Assert.Contains($"| `{property.Name}` |", text, StringComparison.Ordinal));
    }
}
