namespace PCache.Lab.Hostile;

/// <summary>Forges the chain of segments, their order and their generations.</summary>
internal sealed partial class LogMutations
{
    /// <summary>Another order of the same segments, made right everywhere: other ids mean other segments now.</summary>
    private void PermuteChain()
    {
        int[] chain = [.. _original.Chain];
        if (random.Next(2) == 0)
        {
            random.Shuffle(chain);
        }
        else
        {
            // twice the same, or none that there is
            chain[random.Next(chain.Length)] = random.Next(-1, _original.Segments + 1);
        }

        int length = random.Next(4) == 0 ? random.Next(chain.Length + 3) : chain.Length;
        PutChain(chain, length);
        image.Say($"chain of {length}: {string.Join(',', chain)}");
    }

    private void ShortenChain()
    {
        int length = random.Next(1, _original.Chain.Count + 1);
        PutChain([.. _original.Chain.Take(length)], random.Next(4) == 0 ? length + random.Next(-1, 2) : length);
        image.Say($"chain cut to {length}");
    }

    private void PutChain(int[] chain, int length)
    {
        for (int i = 0; i < chain.Length; i++)
        {
            if ((uint)chain[i] < (uint)_original.Segments)
            {
                byte[] info = Forge.SegmentInfo(50, i + 1 < chain.Length ? (uint)chain[i + 1] : null);
                long at = (20 << 10) + ((long)chain[i] * _original.SegmentBytes);
                image.Patch(at, info);
                image.Patch(at + 4096, info);
            }
        }

        byte[] cacheInfo = new byte[24];
        image.Bytes.Slice(ModelReader.Sum(image.Bytes.Slice((8 << 10) + 4, 20)) == Forge.Get32(image.Bytes, 8 << 10)
            ? 8 << 10 : 12 << 10, 24).CopyTo(cacheInfo);
        BitConverter.TryWriteBytes(cacheInfo.AsSpan(8), chain[0]);
        BitConverter.TryWriteBytes(cacheInfo.AsSpan(12), length);
        Forge.Seal(cacheInfo);
        image.Patch(8 << 10, cacheInfo);
        image.Patch(12 << 10, cacheInfo);
    }

    private void ExchangeSegments()
    {
        if (!image.Base.IsCompact)
        {
            return;
        }

        long a = (20 << 10) + ((long)random.Next(_original.Segments) * _original.SegmentBytes);
        long b = (20 << 10) + ((long)random.Next(_original.Segments) * _original.SegmentBytes);
        int from = random.Next(3) * 4096; // all of it, without the infos, or the data only and half of the rest
        byte[] copy = image.Bytes.Slice((int)a + from, _original.SegmentBytes - from).ToArray();
        image.Patch(a + from, image.Bytes.Slice((int)b + from, copy.Length).ToArray());
        image.Patch(b + from, copy);
        image.Say($"segments at {a} and {b} exchanged from {from} on");
    }

    private void RaiseGeneration()
    {
        // Often one whose keys count as clean: they may be dead without harm.
        int segment = _original.LiveKeys.Find(k => !k.Dirty) is { Bytes: > 0 } clean && random.Next(2) == 0
            ? (int)clean.Segment : AnySegment();
        ulong generation = random.Next(4) switch
        {
            0 or 1 => ulong.MaxValue - (ulong)random.Next(3),
            2 => _original.Generations[segment] - 1,
            _ => _original.Generations[segment] + (ulong)random.Next(1, 3),
        };
        byte[] bytes = Forge.Generation((byte)random.Next(256), generation);
        long at = (20 << 10) + ((long)_original.Chain[segment] * _original.SegmentBytes) + (8 << 10);
        image.Patch(at, bytes);
        image.Patch(at + 16, bytes);
        image.Say($"generation of {segment} set to {generation}");
    }
}
