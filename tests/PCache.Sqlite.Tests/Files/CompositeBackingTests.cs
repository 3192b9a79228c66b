using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Tests.Support;

namespace PCache.Sqlite.Tests.Files;

/// <summary>Plain files as one device, on real files and on simulated ones; and the names of files.</summary>
public sealed class CompositeBackingTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_table_makes_the_files_what_it_says(bool real)
    {
        using var folder = new TempFolder();
        IFileStore store = real ? new DirectoryFileStore(folder.File("a.db"), readOnly: false)
            : new SimulatedFileStore();
        using var backing = new CompositeBacking(store);
        var sector = new byte[FileTable.LengthBytes];
        Assert.Equal(default, Table());

        long journal = VirtualLayout.Base(FileSlot.Journal);
        backing.Write(journal + 512, Enumerable.Repeat((byte)7, 1024).ToArray());
        Assert.Equal(new FileState(true, 1536), Table().Journal);
        var read = new byte[4096];
        Array.Fill(read, (byte)9);
        Assert.Equal(read.Length, backing.Read(journal, read));
        Assert.Equal(1024, read.Count(b => b == 7));
        Assert.Equal(3072, read.Count(b => b == 0));

        var wanted = new FileTable(new FileState(true, 3000), new FileState(true, 700), FileState.Missing);
        Write(wanted);
        backing.Flush();
        Assert.Equal(wanted, Table());
        _ = backing.Read(journal, read);
        Assert.Equal(188, read.Count(b => b == 7));

        Write(wanted with { Journal = FileState.Missing });
        backing.Flush();
        Assert.False(store.Exists(FileSlot.Journal));
        Write(wanted);
        _ = backing.Read(journal, read);
        Assert.All(read, b => Assert.Equal(0, b));
        Assert.Throws<IOException>(() => backing.Write(512, sector));
        Assert.Throws<PCacheCorruptionException>(() => backing.Write(0, new byte[512]));

        FileTable Table()
        {
            _ = backing.Read(0, sector);
            return FileTable.Decode(sector);
        }

        void Write(FileTable table)
        {
            table.Encode(sector);
            backing.Write(0, sector);
        }
    }

    [Fact]
    public void Impossible_tables_are_refused()
    {
        var sector = new byte[FileTable.LengthBytes];
        default(FileTable).Encode(sector);
        foreach ((int at, byte value) in new[] { (0, (byte)1), (16, (byte)2), (24, (byte)1), (47, (byte)255) })
        {
            byte before = sector[at];
            sector[at] = value;
            Assert.Throws<PCacheCorruptionException>(() => FileTable.Decode(sector));
            sector[at] = before;
        }

        Assert.Equal(default, FileTable.Decode(sector));
    }

    [Theory]
    [InlineData("/x/a.db-mj0123AB9CD", true)]
    [InlineData("/x/a.db-mj0123AB8CD", false)]
    [InlineData("/x/a.db-mj0123AG9CD", false)]
    [InlineData("/x/a.db-journal", false)]
    [InlineData("-mj0123AB9CD", false)]
    public void Super_journals_are_known_by_their_names(string path, bool isOne) =>
        Assert.Equal(isOne, FileSlots.IsSuperJournal(path));

    [Fact]
    public void Journals_belong_to_their_databases()
    {
        Assert.True(FileSlots.TrySplit("a.db-wal", out string database, out FileSlot slot));
        Assert.Equal(("a.db", FileSlot.Wal), (database, slot));
        Assert.True(FileSlots.TrySplit("a.db-journal", out database, out slot));
        Assert.Equal(("a.db", FileSlot.Journal), (database, slot));
        Assert.False(FileSlots.TrySplit("-journal", out _, out _));
        Assert.False(FileSlots.TrySplit("a.db", out _, out _));
    }
}
