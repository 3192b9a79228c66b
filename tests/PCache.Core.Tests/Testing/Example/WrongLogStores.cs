// The same store, each time with one of the usual mistakes. Keeps true: without crashes and failing calls all of them
// work.

namespace PCache.Core.Tests.Testing.Example;

/// <summary>A mistake of a <see cref="LogStore"/>.</summary>
public enum Mistake
{
    /// <summary>None.</summary>
    None,

    /// <summary>A compaction writes the superblock before the records are durable.</summary>
    SuperblockTooEarly,

    /// <summary>The last record is believed without its checksum.</summary>
    NoChecksum,

    /// <summary>A commit returns before its flush.</summary>
    AcknowledgedTooEarly,

    /// <summary>An open builds on what a killed process has written, though it isn't durable yet.</summary>
    NoFlushAtOpen,
}

internal static class WrongLogStores
{
    public static LogStore Open(Mistake mistake, IBlockDevice device) => mistake switch
    {
        Mistake.None => LogStore.Open(device),
        Mistake.SuperblockTooEarly => new WithSuperblockTooEarly(device).Recover(),
        Mistake.NoChecksum => new WithoutChecksum(device).Recover(),
        Mistake.AcknowledgedTooEarly => new WithEarlyAcknowledgement(device).Recover(),
        Mistake.NoFlushAtOpen => new WithoutFlushAtOpen(device).Recover(),
        _ => throw new ArgumentOutOfRangeException(nameof(mistake)),
    };

    // example: mistakes
    private sealed class WithSuperblockTooEarly(IBlockDevice device) : LogStore(device)
    {
        protected override void Publish(byte[] superblock, int slot)
        {
            Device.Write(slot * 512, superblock);
            Device.Flush();
        }
    }

    private sealed class WithoutChecksum(IBlockDevice device) : LogStore(device)
    {
        protected override bool IsWhole(ReadOnlySpan<byte> record) => true;
    }

    private sealed class WithEarlyAcknowledgement(IBlockDevice device) : LogStore(device)
    {
        public override void Commit()
        {
            // The next compaction flushes anyway.
        }
    }

    private sealed class WithoutFlushAtOpen(IBlockDevice device) : LogStore(device)
    {
        protected override void SettleWhatIsThere()
        {
            // It is all there to be read, isn't it?
        }
    }

    // end of example
}
