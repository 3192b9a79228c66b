using System.Buffers.Binary;
using PCache.Core;
using PCache.Sqlite.Files;
using PCache.Sqlite.Recognition;
using PCache.Sqlite.Tests.Support;
using PCache.Testing;

namespace PCache.Sqlite.Tests.PowerCuts;

/// <summary>Storage that fails inside a window, call by call.</summary>
public sealed class WindowFailureTests
{
    private const int PageBytes = 1024;
    private static readonly long Main = VirtualLayout.Base(FileSlot.Main);

    [Fact]
    public void A_window_that_could_not_be_taken_back_is_not_finished_by_a_flush()
    {
        using var region = SimulatedPmem.Allocate(1 << 20);
        SimulatedFileStore store = Store();
        var backing = new CompositeBacking(store)
        {
            TakesWindows = true,
            Keeper = new RecordKeeper(region, store, Guid.NewGuid(), "x", 0, 0),
        };
        IWindowBacking windows = backing;
        Assert.True(windows.TryCollect());
        Assert.True(windows.TryNote(Main + PageBytes, Page(2)) && windows.TryNote(Main + (2 * PageBytes), Page(2)));
        Assert.True(windows.MayEnd(7));
        windows.Begin();
        backing.Write(Main + PageBytes, Page(2));
        store.BeforeChange = () => throw new IOException("planned");
        Assert.Throws<IOException>(() => backing.Write(Main + (2 * PageBytes), Page(2)));
        windows.Abandon();
        store.BeforeChange = null;

        // A close flushes before it makes the fingerprint.
        Assert.Throws<IOException>(backing.Flush);
        Assert.Equal((2, 1, true), (First(store, 1), First(store, 2), store.Exists(FileSlot.Journal)));
        Assert.True(windows.TryCollect());
        Assert.Equal((1, 1, false), (First(store, 1), First(store, 2), store.Exists(FileSlot.Journal)));
        backing.Flush();
    }

    /// <summary>A database that was restored brings its own, and SQLite alone may use it.</summary>
    [Fact]
    public void A_journal_without_the_mark_of_a_window_is_left_alone()
    {
        SimulatedFileStore store = Store();
        byte[] journal = new byte[512 + PageBytes + 8];
        ((ReadOnlySpan<byte>)[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]).CopyTo(journal);
        store.Create(FileSlot.Journal);
        store.Write(FileSlot.Journal, 0, journal);
        WindowJournal.TakeBack(store);
        Assert.Equal(journal.Length, store.GetLength(FileSlot.Journal));
    }

    private static byte[] Page(byte content) => Enumerable.Repeat(content, PageBytes).ToArray();

    private static int First(SimulatedFileStore store, int page)
    {
        Span<byte> first = stackalloc byte[1];
        store.Read(FileSlot.Main, page * PageBytes, first);
        return first[0];
    }

    private static SimulatedFileStore Store()
    {
        var store = new SimulatedFileStore();
        store.Create(FileSlot.Main);
        byte[] head = Page(1);
        "SQLite format 3\0"u8.CopyTo(head);
        BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan(16), PageBytes);
        store.Write(FileSlot.Main, 0, head);
        for (int i = 1; i < 4; i++)
        {
            store.Write(FileSlot.Main, i * PageBytes, Page(1));
        }

        store.Sync(FileSlot.Main);
        store.SyncNames();
        return store;
    }
}
