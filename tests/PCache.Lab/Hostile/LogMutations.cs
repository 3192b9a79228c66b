namespace PCache.Lab.Hostile;

/// <summary>
/// Forges the log and the chain as a whole: further ksets, links, copies, moved tails, exchanged segments. Keeps true:
/// checksums and numbers are right unless being wrong is the point; all comes from the given random numbers.
/// </summary>
internal sealed partial class LogMutations(HostileImage image, Random random)
{
    private readonly ModelImage _original = image.Base.Original;

    private uint NextNumber => _original.LastNumber == 0 ? 0 : _original.LastNumber == uint.MaxValue ? 1
        : _original.LastNumber + 1;

    public void Mutate()
    {
        switch (random.Next(14))
        {
            case 0 or 1 or 2:
                AppendKsets(_original.Head, NextNumber);
                break;
            case 3:
                AppendLink();
                break;
            case 4:
                CopyKset();
                break;
            case 5:
                MoveTail();
                break;
            case 6:
                LogElsewhere();
                break;
            case 7:
                PermuteChain();
                break;
            case 8:
                ExchangeSegments();
                break;
            case 9:
                RaiseGeneration();
                break;
            case 10:
                DestroyKset();
                break;
            case 11:
                TakeNumbersAway();
                break;
            case 12:
                ShortenChain();
                break;
            default:
                LoopLinks();
                break;
        }
    }

    private int AnySegment() => random.Next(_original.Chain.Count);

    private long AnySector() => random.NextInt64(Math.Max(1, image.Base.Backing.Length / 512));

    /// <summary>A key as it could be; one time in two with one thing wrong.</summary>
    private ModelKey AnyKey()
    {
        var key = new ModelKey { Bytes = (uint)(512 * random.Next(1, 9)), Flags = random.Next(4) == 0 ? 2u : 0 };
        if (_original.LiveKeys.Count > 0 && random.Next(2) == 0)
        {
            key = _original.LiveKeys[random.Next(_original.LiveKeys.Count)];
        }
        else
        {
            key.Segment = (uint)AnySegment();
            key.SegmentOffset = (uint)(512 * random.Next((_original.AreaBytes / 512) - 8));
            key.Generation = _original.Generations[(int)key.Segment];
            key.Offset = (ulong)Math.Max(0, AnySector() - 8) * 512;
        }

        if (random.Next(3) == 0)
        {
            Spoil(ref key);
        }

        if (key.Segment < _original.Chain.Count && (long)key.SegmentOffset + key.Bytes <= _original.AreaBytes
            && random.Next(8) != 0)
        {
            key.Crc = ModelReader.Sum(image.Bytes.Slice((int)_original.Place((int)key.Segment, (int)key.SegmentOffset),
                (int)key.Bytes));
        }

        return key;
    }

    private void Spoil(ref ModelKey key)
    {
        uint area = (uint)_original.AreaBytes;
        switch (random.Next(12))
        {
            case 0:
                key.Offset = (ulong)image.Base.Backing.Length / 512 * 512;
                break;
            case 1:
                key.Offset = (4UL << 20) - 512; // and so across a stripe, if longer than a sector
                key.Bytes = 512 * (uint)random.Next(1, 3);
                break;
            case 2:
                key.Offset += (ulong)random.Next(1, 512);
                break;
            case 3:
                key.Bytes += (uint)random.Next(1, 512);
                break;
            case 4:
                key.Bytes = random.Next(2) == 0 ? 0 : (4u << 20) + (512 * (uint)random.Next(2));
                break;
            case 5:
                key.SegmentOffset = (area / 512 * 512) - key.Bytes + (512 * (uint)random.Next(2));
                break;
            case 6:
                key.SegmentOffset += (uint)random.Next(1, 512);
                break;
            case 7:
                key.Segment = (uint)_original.Chain.Count - (uint)random.Next(-1, 2);
                break;
            case 8:
                key.Generation += random.Next(2) == 0 ? 1 : ulong.MaxValue;
                break;
            case 9:
                key.Flags ^= random.Next(2) == 0 ? 1u : 1u << random.Next(32);
                break;
            case 10:
                key.Offset = ulong.MaxValue / 512 * 512 >> random.Next(4);
                break;
            default:
                key.SegmentOffset = uint.MaxValue - (uint)random.Next(1024);
                break;
        }
    }

    private uint Spoilt(uint number) => random.Next(6) switch
    {
        0 => 0,
        1 => number + (uint)random.Next(-3, 4),
        _ => number,
    };

    /// <summary>Ksets at some place, one behind the other.</summary>
    private void AppendKsets((int Segment, int Offset) at, uint number)
    {
        int count = random.Next(1, 4);
        for (int i = 0; i < count; i++)
        {
            ModelKey[] keys = new ModelKey[random.Next(20) == 0 ? random.Next(100, 132) : random.Next(1, 5)];
            for (int k = 0; k < keys.Length; k++)
            {
                keys[k] = AnyKey();
            }

            byte[] kset = Forge.Kset(Spoilt(number), random.Next(2) == 0, keys);
            bool overruns = at.Offset + kset.Length > _original.AreaBytes;
            if (at.Offset + 24 > _original.AreaBytes || (overruns && random.Next(2) == 0))
            {
                break;
            }

            if (overruns)
            {
                SaveSegmentInfo(_original.Chain[at.Segment] + 1);
            }

            image.Patch(_original.Place(at.Segment, at.Offset), kset);
            at.Offset += kset.Length;
            number = number is 0 or uint.MaxValue ? number & 1 : number + 1;
        }

        image.Say($"forged ksets up to {at.Segment}:{at.Offset}");
    }

    /// <summary>
    /// Keeps a segment usable whose first info is about to be overrun by a kset of the segment before.
    /// </summary>
    private void SaveSegmentInfo(int id)
    {
        int place = _original.Chain.IndexOf(id);
        if (place >= 0)
        {
            uint? next = place + 1 < _original.Chain.Count ? (uint)_original.Chain[place + 1] : null;
            image.Patch((20 << 10) + ((long)id * _original.SegmentBytes) + 4096, Forge.SegmentInfo(50, next));
        }
    }

    private void AppendLink()
    {
        uint target = random.Next(4) == 0 ? (uint)random.Next(-2, _original.Chain.Count + 3) : (uint)AnySegment();
        image.Patch(_original.Place(_original.Head.Segment, _original.Head.Offset),
            Forge.Link(Spoilt(NextNumber), target));
        image.Say($"link to {target}");
        if (target < _original.Chain.Count && random.Next(2) == 0)
        {
            AppendKsets(((int)target, 0), NextNumber == 0 ? 0 : NextNumber + 1);
        }
    }

    private void CopyKset()
    {
        if (_original.Ksets.Count == 0)
        {
            return;
        }

        ModelKset from = _original.Ksets[random.Next(_original.Ksets.Count)];
        ModelKset over = _original.Ksets[random.Next(_original.Ksets.Count)];
        byte[] bytes = image.Bytes.Slice((int)from.At, from.Bytes).ToArray();
        long to = random.Next(3) == 0 ? _original.Place(_original.Head.Segment, _original.Head.Offset) : over.At;
        if (random.Next(2) == 0)
        {
            BitConverter.TryWriteBytes(bytes.AsSpan(20), to == over.At ? over.Number : NextNumber);
            Forge.Seal(bytes);
        }

        image.Patch(to, bytes);
        image.Say($"kset at {from.At} copied to {to}");
    }

    private void MoveTail()
    {
        bool dirty = random.Next(3) != 0;
        (int segment, int offset) = random.Next(4) switch
        {
            0 => (AnySegment(), 8 * random.Next((_original.AreaBytes / 8) + 4)),
            1 => _original.Head,
            _ when _original.Ksets.Count > 0 =>
                (_original.Ksets[random.Next(_original.Ksets.Count)] is var k ? (k.Segment, k.Offset) : default),
            _ => (AnySegment(), 0),
        };
        byte[] bytes = Forge.Position(100, (uint)segment, (uint)offset);
        long at = (16 << 10) + (dirty ? 32 : 0);
        image.Patch(at, bytes);
        image.Patch(at + 16, bytes);
        image.Say($"{(dirty ? "dirty" : "key")} tail to {segment}:{offset}");
    }

    /// <summary>An own log in a segment of its own, often close to the data area's end.</summary>
    private void LogElsewhere()
    {
        int segment = AnySegment();
        int offset = random.Next(4) == 0 ? 0
            : _original.AreaBytes - (8 * random.Next(3, random.Next(2) == 0 ? 50 : 12));
        image.Patch(_original.Place(segment, 0), new byte[Math.Min(_original.AreaBytes, 64 << 10)]);
        byte[] tail = Forge.Position(100, (uint)segment, (uint)offset);
        foreach (int at in (ReadOnlySpan<int>)[0, 16, 32, 48])
        {
            image.Patch((16 << 10) + at, tail);
        }

        image.Say($"log moved to {segment}:{offset}");
        AppendKsets((segment, offset), (uint)random.Next(3));
    }

    private void DestroyKset()
    {
        if (_original.Ksets.Count == 0)
        {
            return;
        }

        ModelKset kset = _original.Ksets[random.Next(_original.Ksets.Count)];
        byte[] bytes = new byte[random.Next(2) == 0 ? kset.Bytes : random.Next(1, 24)];
        if (random.Next(2) == 0)
        {
            random.NextBytes(bytes);
        }

        image.Patch(kset.At, bytes);
        image.Say($"kset at {kset.At} destroyed");
    }

    private void TakeNumbersAway()
    {
        int from = random.Next(3) == 0 ? random.Next(_original.Ksets.Count + 1) : 0;
        foreach (ModelKset kset in _original.Ksets.Skip(from))
        {
            byte[] bytes = image.Bytes.Slice((int)kset.At, kset.Bytes).ToArray();
            bytes.AsSpan(20, 4).Clear();
            Forge.Seal(bytes);
            image.Patch(kset.At, bytes);
        }

        image.Say($"numbers taken away from kset {from} on");
    }

    /// <summary>Two segments that link to one another, by ksets without number, which no number ever stops.</summary>
    private void LoopLinks()
    {
        TakeNumbersAway();
        int target = random.Next(3) == 0 ? _original.Head.Segment : AnySegment();
        image.Patch(_original.Place(_original.Head.Segment, _original.Head.Offset), Forge.Link(0, (uint)target));
        if (random.Next(2) == 0)
        {
            image.Patch(_original.Place(target, 0), Forge.Link(0, (uint)_original.KeyTail.Segment));
        }

        image.Say($"links {_original.Head.Segment} -> {target} -> {_original.KeyTail.Segment}");
    }
}
