using System.Buffers.Binary;
using PCache.Sqlite.Files;

namespace PCache.Sqlite.Recognition;

/// <summary>
/// What one plain file may look like: every state in which a crash could leave it. Keeps true: states are only ever
/// added, until what is really there is known again; what no longer fits its places (times, heads) counts as
/// anything, so a file is never called changed that we changed ourselves.
/// </summary>
internal sealed class FileImage
{
    /// <summary>Bytes of an encoded image.</summary>
    public const int EncodedBytes = 480;

    /// <summary>Most times, and most heads.</summary>
    public const int MaxChoices = 4;

    private const int HeadStride = 104;
    private const int TimesOffset = 24;
    private const int HeadsOffset = 56;

    [Flags]
    private enum Marks
    {
        MayBeMissing = 1,
        MayExist = 2,
        AnyTime = 4,
        AnyHead = 8,
        IsWindow = 16,
    }

    /// <summary>Whether it may not be there.</summary>
    public bool MayBeMissing { get; private set; }

    /// <summary>Whether it may be there.</summary>
    public bool MayExist { get; private set; }

    /// <summary>Least length in bytes, if it is there.</summary>
    public long Shortest { get; private set; }

    /// <summary>Greatest length in bytes, if it is there.</summary>
    public long Longest { get; private set; }

    /// <summary>Whether its time of change says nothing: it is being written.</summary>
    public bool AnyTime { get; private set; }

    /// <summary>Whether its head says nothing.</summary>
    public bool AnyHead { get; private set; }

    /// <summary>Whether it may be the rollback journal that write-back has made for a window.</summary>
    public bool IsWindow { get; private set; }

    /// <summary>Times of the last change, in nanoseconds since 1970.</summary>
    public List<long> Times { get; } = [];

    /// <summary>Its first bytes, filled up with zeros.</summary>
    public List<byte[]> Heads { get; } = [];

    /// <summary>Exactly what is there.</summary>
    public static FileImage Of(IFileStore store, FileSlot slot)
    {
        var image = new FileImage();
        if (!store.Exists(slot))
        {
            image.MayBeMissing = true;
            return image;
        }

        image.MayExist = true;
        image.Shortest = image.Longest = store.GetLength(slot);
        long time = store.Stamp(slot).ModifiedNanoseconds;
        image.AnyTime = time == 0;
        if (time != 0)
        {
            image.Times.Add(time);
        }

        var head = new byte[FileTable.HeadBytes];
        _ = store.Read(slot, 0, head.AsSpan(0, (int)Math.Min(head.Length, image.Longest)));
        image.Heads.Add(head);
        return image;
    }

    /// <summary>A copy to change.</summary>
    public FileImage Clone()
    {
        var copy = new FileImage
        {
            MayBeMissing = MayBeMissing,
            MayExist = MayExist,
            Shortest = Shortest,
            Longest = Longest,
            AnyTime = AnyTime,
            AnyHead = AnyHead,
            IsWindow = IsWindow,
        };
        copy.Times.AddRange(Times);
        copy.Heads.AddRange(Heads);
        return copy;
    }

    /// <summary>Adds what a write may make of it.</summary>
    public void AddWrite(long offset, ReadOnlySpan<byte> data)
    {
        AddExisting();
        Longest = Math.Max(Longest, offset + data.Length);
        AnyTime = true;
        if (offset < FileTable.HeadBytes)
        {
            int length = (int)Math.Min(FileTable.HeadBytes - offset, data.Length);
            ReadOnlySpan<byte> part = data[..length];
            foreach (byte[] head in Heads.ToArray())
            {
                byte[] changed = (byte[])head.Clone();
                part.CopyTo(changed.AsSpan((int)offset));
                AddHead(changed);
            }
        }
    }

    /// <summary>Adds what making it exist with a length, or deleting it, may make of it.</summary>
    public void AddState(FileState state)
    {
        if (!state.Exists)
        {
            MayBeMissing = true;
            return;
        }

        AddExisting();
        if (state.Length == Shortest && state.Length == Longest)
        {
            return;
        }

        AnyTime = true;
        Shortest = Math.Min(Shortest, state.Length);
        Longest = Math.Max(Longest, state.Length);
        if (state.Length < FileTable.HeadBytes)
        {
            foreach (byte[] head in Heads.ToArray())
            {
                byte[] cut = (byte[])head.Clone();
                cut.AsSpan((int)state.Length).Clear();
                AddHead(cut);
            }
        }
    }

    /// <summary>Adds that a window's journal is made here, and that its owner or SQLite ends it.</summary>
    public void AddWindow(long lengthBytes)
    {
        AddExisting();
        MayBeMissing = AnyTime = AnyHead = IsWindow = true;
        Longest = Math.Max(Longest, lengthBytes);
        Shortest = 0;
    }

    /// <summary>Adds another time, or any length up to a greater one: what a power cut may still bring back.</summary>
    public void AddOlder(long time, long longest)
    {
        Longest = Math.Max(Longest, longest);
        if (time == 0 || Times.Count == MaxChoices)
        {
            AnyTime = true;
        }
        else if (!Times.Contains(time))
        {
            Times.Add(time);
        }
    }

    /// <summary>Whether another one says the same.</summary>
    public bool IsSame(FileImage other)
    {
        Span<byte> mine = stackalloc byte[EncodedBytes];
        Span<byte> its = stackalloc byte[EncodedBytes];
        Encode(mine);
        other.Encode(its);
        return mine.SequenceEqual(its);
    }

    public void Encode(Span<byte> target)
    {
        target[..EncodedBytes].Clear();
        Marks marks = (MayBeMissing ? Marks.MayBeMissing : 0) | (MayExist ? Marks.MayExist : 0)
            | (AnyTime ? Marks.AnyTime : 0) | (AnyHead ? Marks.AnyHead : 0)
            | (IsWindow ? Marks.IsWindow : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(target, (uint)marks);
        BinaryPrimitives.WriteUInt16LittleEndian(target[4..], (ushort)Times.Count);
        BinaryPrimitives.WriteUInt16LittleEndian(target[6..], (ushort)Heads.Count);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], Shortest);
        BinaryPrimitives.WriteInt64LittleEndian(target[16..], Longest);
        for (int i = 0; i < Times.Count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(target[(TimesOffset + (i * sizeof(long)))..], Times[i]);
        }

        for (int i = 0; i < Heads.Count; i++)
        {
            Heads[i].CopyTo(target[(HeadsOffset + (i * HeadStride))..]);
        }
    }

    public static FileImage Decode(ReadOnlySpan<byte> source)
    {
        var marks = (Marks)BinaryPrimitives.ReadUInt32LittleEndian(source);
        var image = new FileImage
        {
            MayBeMissing = marks.HasFlag(Marks.MayBeMissing),
            MayExist = marks.HasFlag(Marks.MayExist),
            AnyTime = marks.HasFlag(Marks.AnyTime),
            AnyHead = marks.HasFlag(Marks.AnyHead),
            IsWindow = marks.HasFlag(Marks.IsWindow),
            Shortest = BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
            Longest = BinaryPrimitives.ReadInt64LittleEndian(source[16..]),
        };
        for (int i = 0; i < Math.Min(MaxChoices, (int)BinaryPrimitives.ReadUInt16LittleEndian(source[4..])); i++)
        {
            image.Times.Add(BinaryPrimitives.ReadInt64LittleEndian(source[(TimesOffset + (i * sizeof(long)))..]));
        }

        for (int i = 0; i < Math.Min(MaxChoices, (int)BinaryPrimitives.ReadUInt16LittleEndian(source[6..])); i++)
        {
            image.Heads.Add(source.Slice(HeadsOffset + (i * HeadStride), FileTable.HeadBytes).ToArray());
        }

        return image;
    }

    private void AddExisting()
    {
        if (!MayExist)
        {
            MayExist = true;
            Shortest = 0;
            AnyTime = true; // of a new file
        }

        if (Shortest == 0 && !AnyHead)
        {
            AddHead(new byte[FileTable.HeadBytes]);
        }
    }

    private void AddHead(byte[] head)
    {
        if (AnyHead || Heads.Exists(known => known.AsSpan().SequenceEqual(head)))
        {
            return;
        }

        if (Heads.Count == MaxChoices)
        {
            AnyHead = true;
            return;
        }

        Heads.Add(head);
    }
}
