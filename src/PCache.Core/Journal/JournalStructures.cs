using System.Runtime.InteropServices;
using PCache.Core.Layout;

namespace PCache.Core.Journal;

/// <summary>
/// The header of a checkpoint journal (docs/on-media-format.md). Keeps true: all integers little-endian; its checksum
/// is that of the cache's structures, over everything behind the checksum itself.
/// </summary>
[StructLayout(LayoutKind.Sequential, Size = JournalConstants.HeaderSize)]
internal struct JournalHeader
{
    public uint Crc;
    public uint Version;
    public ulong Magic;

    /// <summary>UUID of the cache that made it.</summary>
    public Bytes16 CacheId;

    /// <summary>Number of the checkpoint, from 1; higher than that of the journal it is written over.</summary>
    public ulong Number;

    /// <summary>Numbers of the first and the last kset that it covers; the first is never 0.</summary>
    public uint FirstSequence;
    public uint LastSequence;

    /// <summary>Where the dirty tail stands before it, and where it stands once it is done.</summary>
    public uint FromSegment;
    public uint FromOffset;
    public uint ToSegment;
    public uint ToOffset;

    /// <summary>Length of the backing when it was made, in bytes.</summary>
    public ulong BackingLength;
    public ulong RecordCount;

    /// <summary>Bytes of the whole journal, header and commit included.</summary>
    public ulong TotalBytes;

    /// <summary>Identity of the backing that the cache is bound to; zero: none.</summary>
    public Bytes16 BackingIdentity;

    /// <summary>Which file the backing is: when it was made, and its number; 0, 0: not a file, or not known.</summary>
    public ulong FileBorn;
    public ulong FileNumber;

    /// <summary>When it was made, in milliseconds since 1970.</summary>
    public long MadeAt;

    /// <summary>Which file the backing is; zero: not known.</summary>
    public readonly UInt128 FileId => new(FileBorn, FileNumber);

    /// <summary>Where the dirty tail stands once it is done.</summary>
    public readonly LogPosition To => new((int)ToSegment, (int)ToOffset);
}

/// <summary>Before each record's payload.</summary>
[StructLayout(LayoutKind.Sequential, Size = JournalConstants.RecordHeaderSize)]
internal struct JournalRecord
{
    /// <summary>First byte on the backing.</summary>
    public ulong Offset;

    /// <summary>Length of the payload in bytes, at least 1.</summary>
    public uint LengthBytes;

    /// <summary>Checksum of the payload.</summary>
    public uint Crc;
}

/// <summary>Ends a journal: without it, or where it doesn't fit, nothing of the journal counts.</summary>
[StructLayout(LayoutKind.Sequential, Size = JournalConstants.CommitSize)]
internal struct JournalCommit
{
    public uint Crc;

    /// <summary>Checksum of the header and, behind it, of all records' headers in order.</summary>
    public uint HeadersCrc;
    public ulong Magic;
    public ulong Number;
    public ulong TotalBytes;
}

/// <summary>Sizes and names of the journal.</summary>
internal static class JournalConstants
{
    public const int HeaderSize = 256;
    public const int RecordHeaderSize = 16;
    public const int CommitSize = 32;

    /// <summary>Longest payload of a record in bytes.</summary>
    public const int MaxRecordBytes = 1 << 20;

    /// <summary>A record, what is left of a block before it, and what pads the block behind it.</summary>
    public const int BufferBytes = MaxRecordBytes + (192 << 10);

    public const uint Version = 1;
    public const ulong HeaderMagic = 0x314C4E524A504350; // "PCPJRNL1"
    public const ulong CommitMagic = 0x54494D4D4F435043; // "CPCOMMIT"

    /// <summary>What the name of a backing's file is followed by.</summary>
    public const string FileSuffix = ".pcache-journal";
}
