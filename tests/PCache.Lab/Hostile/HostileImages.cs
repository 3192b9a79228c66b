namespace PCache.Lab.Hostile;

/// <summary>
/// Makes mutants of base images. Keeps true: a seed and the same bases always give the same image; at most one mutant
/// of a base is there at a time.
/// </summary>
internal sealed unsafe class HostileImages : IDisposable
{
    private readonly IReadOnlyList<HostileBase> _bases;
    private readonly ImageMap[] _maps;
    private GuardedMemory? _copy;

    /// <param name="bases">The images to start from; disposed with this.</param>
    public HostileImages(IReadOnlyList<HostileBase> bases)
    {
        _bases = bases;
        _maps = [.. bases.Select(b => ImageMap.Of(b.Original))];
    }

    public IReadOnlyList<HostileBase> Bases => _bases;

    /// <summary>
    /// Makes the image of a seed. To be given back with <see cref="Undo"/> before the next one is made.
    /// </summary>
    public HostileImage Make(int seed)
    {
        var random = new Random(seed);
        int index = random.Next(_bases.Count);
        var image = new HostileImage(_bases[index], seed);
        var fields = new FieldMutations(image, _maps[index], random);
        int kind = random.Next(100);
        if (kind < 10)
        {
            fields.ChangeNothingThatCounts();
        }
        else if (kind < 55)
        {
            Repeat(random, fields.ChangeField);
        }
        else if (kind < 90)
        {
            var log = new LogMutations(image, random);
            log.Mutate();
            if (random.Next(3) == 0)
            {
                Repeat(random, random.Next(2) == 0 ? log.Mutate : fields.ChangeField);
            }
        }
        else if (kind < 95)
        {
            Repeat(random, () => Scribble(image, random));
        }
        else
        {
            Resize(image, random);
            if (random.Next(2) == 0)
            {
                fields.ChangeField();
            }

            Place(image, random);
        }

        return image;
    }

    /// <summary>Brings the base back.</summary>
    public static void Undo(HostileImage image)
    {
        image.Base.Memory.Allow(image.Base.Memory.LengthBytes, readOnly: false);
        image.Undo();
        image.Base.Backing.Reset();
    }

    public void Dispose()
    {
        _copy?.Dispose();
        foreach (HostileBase b in _bases)
        {
            b.Dispose();
        }
    }

    private static void Repeat(Random random, Action mutate)
    {
        int times = random.Next(3) == 0 ? random.Next(2, 5) : 1;
        for (int i = 0; i < times; i++)
        {
            mutate();
        }
    }

    /// <summary>Flips bits, or writes random bytes or zeros, where the structures are or anywhere.</summary>
    private static void Scribble(HostileImage image, Random random)
    {
        ModelImage original = image.Base.Original;
        long at = random.Next(4) switch
        {
            0 => random.Next(20 << 10),
            1 => (20 << 10) + ((long)random.Next(original.Segments) * original.SegmentBytes) + random.Next(9000),
            2 when original.Ksets.Count > 0 => original.Ksets[random.Next(original.Ksets.Count)].At + random.Next(64),
            _ => random.NextInt64(image.Base.LengthBytes),
        };
        byte[] bytes = new byte[random.Next(5) == 0 ? random.Next(1, 8192) : random.Next(1, 64)];
        int kind = random.Next(3);
        if (kind == 0)
        {
            random.NextBytes(bytes);
        }
        else if (kind == 1)
        {
            bytes = [(byte)(image.Bytes[(int)at] ^ (1 << random.Next(8)))];
        }

        image.Patch(at, bytes);
        image.Say(
            $"{bytes.Length} bytes at {at} {(kind == 0 ? "random" : kind == 1 ? "with a flipped bit" : "zeroed")}");
    }

    private static void Resize(HostileImage image, Random random)
    {
        long length = image.Base.LengthBytes;
        image.LengthBytes = random.Next(6) switch
        {
            0 => random.Next(64 << 10),
            1 => random.NextInt64(length),
            2 => length - random.Next(1, 8192),
            3 => length + random.Next(1, HostileBase.SpareBytes),
            4 => (20 << 10) + ((long)image.Base.Original.SegmentBytes * random.Next(image.Base.Original.Segments + 1))
                - random.Next(2),
            _ => 4096L * random.Next(8),
        };
        image.Say($"length {length} -> {image.LengthBytes}");
    }

    /// <summary>
    /// Puts a guard right behind the image's last byte, or behind its last page, or before its first byte, as it comes.
    /// </summary>
    private void Place(HostileImage image, Random random)
    {
        if (image.Base.IsCompact && random.Next(2) == 0)
        {
            long most = HostileBase.MostCompactBytes + HostileBase.SpareBytes;
            _copy ??= new GuardedMemory(most);
            image.Begin = _copy.Begin + (_copy.LengthBytes - image.LengthBytes);
            image.Base.Memory.Span(0, image.LengthBytes).CopyTo(new Span<byte>(image.Begin, (int)image.LengthBytes));
        }
        else
        {
            image.Base.Memory.Allow(image.LengthBytes, readOnly: false);
        }
    }
}
