using PCache.Sqlite.Locks;

namespace PCache.Sqlite.Tests.Locks;

/// <summary>SQLite's locks, and those of the WAL index.</summary>
public sealed class LockTableTests
{
    [Fact]
    public void A_writer_waits_for_readers_and_keeps_new_ones_out()
    {
        var table = new LockTable();
        LockHolder reader = new(), writer = new(), late = new();
        Assert.True(table.TryLock(reader, LockLevel.Shared));
        Assert.True(table.TryLock(writer, LockLevel.Shared));
        Assert.False(table.IsReserved);
        Assert.True(table.TryLock(writer, LockLevel.Reserved));
        Assert.True(table.IsReserved);
        Assert.True(table.TryLock(late, LockLevel.Shared));
        Assert.False(table.TryLock(late, LockLevel.Reserved));
        table.Unlock(late, LockLevel.None);
        Assert.False(table.TryLock(writer, LockLevel.Exclusive));
        Assert.Equal(LockLevel.Pending, writer.Level);
        Assert.False(table.TryLock(late, LockLevel.Shared));
        table.Unlock(reader, LockLevel.None);
        Assert.True(table.TryLock(writer, LockLevel.Exclusive));
        Assert.False(table.TryLock(late, LockLevel.Shared));
        table.Unlock(writer, LockLevel.Shared);
        Assert.True(table.TryLock(late, LockLevel.Shared));
        Assert.False(table.IsReserved);
        table.Unlock(writer, LockLevel.None);
        table.Unlock(writer, LockLevel.None);
        Assert.True(table.TryLock(late, LockLevel.Exclusive));
    }

    [Fact]
    public void Shared_memory_locks_are_shared_or_exclusive_and_end_with_their_user()
    {
        var memory = new SharedMemory();
        SharedMemoryUser a = new(), b = new();
        Assert.Equal(0, memory.Map(a, 0, 32768, extend: false));
        nint address = memory.Map(a, 1, 32768, extend: true);
        Assert.NotEqual(0, address);
        Assert.Equal(address, memory.Map(b, 1, 32768, extend: false));
        Assert.True(memory.TryLock(a, 3, 1, exclusive: false));
        Assert.True(memory.TryLock(b, 3, 1, exclusive: false));
        Assert.False(memory.TryLock(a, 2, 2, exclusive: true));
        Assert.True(memory.TryLock(a, 4, 4, exclusive: true));
        Assert.False(memory.TryLock(b, 5, 1, exclusive: false));
        memory.Unlock(b, 3, 1);
        Assert.True(memory.TryLock(a, 3, 1, exclusive: true));
        memory.Unmap(a);
        Assert.True(memory.TryLock(b, 0, 8, exclusive: true));
        memory.Unmap(b);
        Assert.Equal(0, memory.Map(a, 1, 32768, extend: false));
        memory.Unmap(a);
    }
}
