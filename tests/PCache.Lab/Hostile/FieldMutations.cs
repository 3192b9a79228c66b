using System.Buffers.Binary;

namespace PCache.Lab.Hostile;

/// <summary>
/// Changes single fields: to the boundaries of what is allowed, to values of other places, at random. Keeps true: all
/// comes from the given random numbers.
/// </summary>
internal sealed class FieldMutations(HostileImage image, ImageMap map, Random random)
{
    /// <summary>
    /// Changes one field of one structure: in one replica or both, mostly with the checksum made right again.
    /// </summary>
    public void ChangeField()
    {
        ImageStructure[] kind = map.Kinds[random.Next(map.Kinds.Count)];
        ImageStructure structure = kind[random.Next(kind.Length)];
        ImageField field = structure.Fields[random.Next(structure.Fields.Count)];
        byte[] bytes = image.Bytes.Slice((int)structure.At, structure.Size).ToArray();
        ulong before = Get(bytes, field);
        ulong after = field.Name.EndsWith("flags", StringComparison.Ordinal) && random.Next(2) == 0
            ? before ^ ((ulong)random.Next(1, 128) << random.Next(10)) // several bits are one number there
            : Pick(before, field.Size * 8, structure);
        Set(bytes, field, after);
        bool seal = random.Next(8) != 0;
        if (seal)
        {
            SealAsRead(structure, bytes);
        }

        bool both = structure.Twin >= 0 && random.Next(2) == 0;
        image.Patch(structure.At, bytes);
        if (both)
        {
            image.Patch(structure.Twin, bytes);
        }

        image.Say(
            $"{structure.Name} at {structure.At}{(both ? " and its twin" : "")}: {field.Name} {before} -> "
            + $"{after}{(seal ? "" : ", checksum left")}");
    }

    /// <summary>
    /// Changes what the format says is ignored, or one replica of a structure that has a good other one.
    /// </summary>
    public void ChangeNothingThatCounts()
    {
        image.KeepsMeaning = true;
        switch (random.Next(5))
        {
            case 0:
                DamageOlderReplica();
                break;
            case 1:
                ChangeIgnoredBits("version", "reserved", "zeros", "UUID", "label");
                break;
            case 2:
                ChangeUnusedBytes();
                break;
            case 3:
                ChangeIgnoredKsetBits();
                break;
            default:
                TearTheEnd();
                break;
        }
    }

    private static ulong Get(ReadOnlySpan<byte> bytes, ImageField field) => field.Size switch
    {
        1 => bytes[field.At],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(bytes[field.At..]),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(bytes[field.At..]),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(bytes[field.At..]),
    };

    private static void Set(Span<byte> bytes, ImageField field, ulong value)
    {
        Span<byte> all = stackalloc byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(all, value);
        all[..field.Size].CopyTo(bytes[field.At..]);
    }

    /// <summary>
    /// A kset with another key count has its checksum elsewhere: over as many keys as it says there are.
    /// </summary>
    private void SealAsRead(ImageStructure structure, byte[] bytes)
    {
        if (structure.Name != "kset")
        {
            Forge.Seal(bytes);
            return;
        }

        bool link = (bytes[16] & 1) != 0;
        long size = 24 + (link ? 0 : 40L * BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4)));
        if (size <= bytes.Length)
        {
            Forge.Seal(bytes.AsSpan(0, (int)size));
        }
        else if (size <= 24 + (40 * 130) && structure.At + size <= image.Bytes.Length)
        {
            byte[] whole = image.Bytes.Slice((int)structure.At, (int)size).ToArray();
            bytes.CopyTo(whole, 0);
            Forge.Seal(whole);
            whole.AsSpan(0, 4).CopyTo(bytes);
        }
    }

    private ulong Pick(ulong before, int bits, ImageStructure structure)
    {
        ModelImage original = image.Base.Original;
        ulong area = (ulong)original.AreaBytes;
        ulong backing = (ulong)image.Base.Backing.Length;
        ulong sign = random.Next(2) == 0 ? 1 : ulong.MaxValue;
        return random.Next(16) switch
        {
            0 => 0,
            1 => 1,
            2 => ulong.MaxValue - (ulong)random.Next(2),
            3 => before + sign,
            4 => before + (sign * 512),
            5 => before + (sign * (ulong)(8 * random.Next(1, 20))),
            6 => before ^ (1UL << random.Next(bits)),
            7 => (1UL << (random.Next(2) == 0 ? bits - 1 : random.Next(bits))) - (ulong)random.Next(2),
            8 => (ulong)original.Chain.Count + sign,
            9 => (ulong)original.Segments - (ulong)random.Next(-1, 2),
            10 => area - (ulong)(8 * random.Next(-1, 8)),
            11 => random.Next(2) == 0 ? area - 512 : (ulong)random.Next((int)(area / 512) + 2) * 512,
            12 => backing - (ulong)(512 * random.Next(-2, 3)),
            13 => ((ulong)random.Next(4) << 22) + (sign * 512 * (ulong)random.Next(2)),
            14 => (ulong)random.Next(original.Chain.Count),
            _ => structure.Size > 24 && random.Next(2) == 0
                ? Forge.Get64(image.Bytes, structure.At + 24 + (8 * random.Next((structure.Size - 24) / 8)))
                : (ulong)random.NextInt64(long.MinValue, long.MaxValue),
        };
    }

    private void DamageOlderReplica()
    {
        ImageStructure[] kind = [.. map.Kinds.SelectMany(k => k).Where(s => s.Twin >= 0)];
        ImageStructure structure = kind[random.Next(kind.Length)];
        ReadOnlySpan<byte> a = image.Bytes.Slice((int)structure.At, structure.Size);
        ReadOnlySpan<byte> b = image.Bytes.Slice((int)structure.Twin, structure.Size);
        bool aFits = a.ContainsAnyExcept((byte)0) && Forge.Get32(a, 0) == ModelReader.Sum(a[4..]);
        bool bFits = b.ContainsAnyExcept((byte)0) && Forge.Get32(b, 0) == ModelReader.Sum(b[4..]);
        if (!bFits || (aFits && (sbyte)(b[4] - a[4]) <= 0))
        {
            return; // the only good one, or the latest: it counts
        }

        byte[] bytes = new byte[structure.Size];
        if (random.Next(3) != 0)
        {
            random.NextBytes(bytes);
        }

        image.Patch(structure.At, bytes);
        image.Say($"older {structure.Name} at {structure.At} destroyed");
    }

    private void ChangeIgnoredBits(params ReadOnlySpan<string> names)
    {
        ImageStructure[] kind = map.Kinds[random.Next(map.Kinds.Count)];
        ImageStructure structure = kind[random.Next(kind.Length)];
        byte[] bytes = image.Bytes.Slice((int)structure.At, structure.Size).ToArray();
        if (!bytes.AsSpan().ContainsAnyExcept((byte)0))
        {
            return;
        }

        foreach (ImageField field in structure.Fields)
        {
            if (names.Contains(field.Name[(field.Name.LastIndexOf(' ') + 1)..]))
            {
                Set(bytes, field, (ulong)random.NextInt64());
            }
        }

        Forge.Seal(bytes);
        image.Patch(structure.At, bytes);
        image.Say($"ignored fields of {structure.Name} at {structure.At}");
    }

    private void ChangeUnusedBytes()
    {
        byte[] bytes = new byte[random.Next(1, 64)];
        random.NextBytes(bytes);
        long at = random.Next(4) switch
        {
            0 => 256 + random.Next(1700),
            1 => (4 << 10) + 24 + random.Next(4000),
            2 => (16 << 10) + 64 + random.Next(3900),
            _ => (20 << 10) + ((long)image.Base.Original.SegmentBytes * random.Next(image.Base.Original.Segments))
                + (4096 * random.Next(3)) + 32 + random.Next(3900),
        };
        image.Patch(at, bytes);
        image.Say($"{bytes.Length} unused bytes at {at}");
    }

    private void ChangeIgnoredKsetBits()
    {
        foreach (ModelKset kset in image.Base.Original.Ksets)
        {
            if (random.Next(3) == 0)
            {
                byte[] bytes = image.Bytes.Slice((int)kset.At, kset.Bytes).ToArray();
                bytes[16] ^= (byte)(random.Next(16) << 4); // bits 4 to 7: those before mean something
                bytes[17] = (byte)random.Next(256);
                Forge.Seal(bytes);
                image.Patch(kset.At, bytes);
                image.Say($"ignored flags of kset at {kset.At}");
            }
        }
    }

    /// <summary>Part of a kset behind the log's end, as an interrupted append leaves it.</summary>
    private void TearTheEnd()
    {
        ModelImage original = image.Base.Original;
        if (original.Ksets.Count == 0)
        {
            return;
        }

        ModelKset copied = original.Ksets[random.Next(original.Ksets.Count)];
        byte[] bytes = image.Bytes.Slice((int)copied.At, copied.Bytes).ToArray();
        bytes[random.Next(4)] ^= (byte)random.Next(1, 256);
        int room = original.AreaBytes - original.Head.Offset;
        image.Patch(original.Place(original.Head.Segment, original.Head.Offset),
            bytes.AsSpan(0, Math.Min(room, random.Next(1, bytes.Length + 1))));
        image.Say("torn kset at the end");
    }
}
