using Dapper;
using Microsoft.Data.Sqlite;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests;

/// <summary>Ordinary work in every journal mode, and what is left for plain SQLite afterwards.</summary>
public sealed class JournalModeTests
{
    public static TheoryData<string, string> Modes => new()
    {
        { "delete", "NORMAL" },
        { "truncate", "NORMAL" },
        { "persist", "NORMAL" },
        { "memory", "NORMAL" },
        { "off", "NORMAL" },
        { "wal", "NORMAL" },
        { "delete", "EXCLUSIVE" },
        { "persist", "EXCLUSIVE" },
        { "wal", "EXCLUSIVE" },
    };

    [Theory]
    [MemberData(nameof(Modes))]
    public void Transactions_are_there_for_plain_sqlite_after_the_last_close(string journal, string locking)
    {
        using var vfs = new TestVfs();
        using (SqliteConnection connection = vfs.Open())
        {
            connection.Execute($"PRAGMA locking_mode={locking}");
            Assert.Equal(journal, connection.ExecuteScalar<string>($"PRAGMA journal_mode={journal}"));
            connection.Execute(
                "PRAGMA synchronous=FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, body BLOB)");
            for (int i = 0; i < 40; i++)
            {
                using SqliteTransaction transaction = connection.BeginTransaction();
                connection.Execute("INSERT INTO t (name, body) VALUES (@name, randomblob(@length))",
                    new { name = $"row {i}", length = 100 + (i * 97) }, transaction);
                if (i % 5 == 4 && journal != "off")
                {
                    transaction.Rollback();
                }
                else
                {
                    transaction.Commit();
                }
            }

            Assert.Equal(journal == "off" ? 40 : 32, connection.ExecuteScalar<int>("SELECT count(*) FROM t"));
            Assert.Equal("ok", connection.ExecuteScalar<string>("PRAGMA integrity_check"));
        }

        Assert.Null(vfs.Registration.LastError);
        Assert.False(File.Exists(vfs.PathOf() + ".pcache"));
        Assert.False(File.Exists(vfs.PathOf() + "-wal"));
        using SqliteConnection plain = vfs.OpenPlain();
        Assert.Equal(journal == "off" ? 40 : 32, plain.ExecuteScalar<int>("SELECT count(*) FROM t"));
        Assert.Equal("ok", plain.ExecuteScalar<string>("PRAGMA integrity_check"));
    }
}
