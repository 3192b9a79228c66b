namespace PCache.Lab.Hostile;

/// <summary>One field of a structure.</summary>
/// <param name="Name">Its name on the format's page.</param>
/// <param name="At">Byte offset in the structure.</param>
/// <param name="Size">Size in bytes: 1, 2, 4 or 8.</param>
internal readonly record struct ImageField(string Name, int At, int Size);

/// <summary>One structure of an image: where it stands, and its twin, if it has two replicas.</summary>
/// <param name="Name">Its name on the format's page.</param>
/// <param name="At">Offset on the device.</param>
/// <param name="Size">Size in bytes; the checksum, in the first four, covers the rest.</param>
/// <param name="Twin">Offset of the other replica; -1: none.</param>
/// <param name="Fields">All fields but the checksum.</param>
internal sealed record ImageStructure(string Name, long At, int Size, long Twin, IReadOnlyList<ImageField> Fields);

/// <summary>
/// Every structure of an image, by kind. Keeps true: it covers each field of each structure on the format's page, and
/// each kset and key of the log.
/// </summary>
internal sealed class ImageMap
{
    private static readonly ImageField[] Header = [new("sequence", 4, 1), new("version", 5, 1), new("reserved", 6, 2)];
    private static readonly ImageField[] Superblock =
        [new("flags", 4, 4), new("magic", 8, 8), new("segments", 16, 4), new("segment size", 20, 4)];
    private static readonly ImageField[] Info = [.. Header, new("first segment", 8, 4), new("chain length", 12, 4),
        new("flags", 16, 4), new("reserved", 20, 4)];
    private static readonly ImageField[] Position = [.. Header, new("segment", 8, 4), new("offset", 12, 4)];
    private static readonly ImageField[] SegmentInfo = [.. Header, new("flags", 8, 4), new("next", 12, 4)];
    private static readonly ImageField[] Generation = [.. Header, new("generation", 8, 8)];
    private static readonly ImageField[] Kset =
        [new("key count", 4, 4), new("magic", 8, 8), new("flags", 16, 8), new("number", 20, 4)];

    private static readonly ImageField[] Extension =
    [
        .. Header, new("magic", 8, 8), new("format version", 16, 4), new("flags", 20, 4), new("UUID", 24, 8),
            new("backing length", 40, 8),
        new("backing identity", 48, 8), new("label", 64, 8), new("zeros", 128, 8),
    ];

    private static readonly ImageField[] Key =
    [
        new("offset", 0, 8), new("length", 8, 4), new("flags", 12, 4), new("segment", 16, 4),
            new("payload offset", 20, 4), new("generation", 24, 8),
        new("payload checksum", 32, 4), new("reserved", 36, 4),
    ];

    private ImageMap(List<ImageStructure[]> kinds) => Kinds = kinds;

    /// <summary>The structures, kind by kind, so that a kind with few of them is as likely as one with many.</summary>
    public IReadOnlyList<ImageStructure[]> Kinds { get; }

    public static ImageMap Of(ModelImage image)
    {
        List<ImageStructure[]> kinds =
        [
            [new("superblock", 4 << 10, 24, -1, Superblock)],
            Pair("cache info", 8 << 10, 4 << 10, 24, Info),
            [.. Pair("key tail", 16 << 10, 16, 16, Position), .. Pair("dirty tail", (16 << 10) + 32, 16, 16, Position)],
            Pair("extension block", 0, 2 << 10, 256, Extension),
            [.. image.Chain.SelectMany(id => Pair("segment info", Segment(image, id), 4 << 10, 16, SegmentInfo))],
            [.. image.Chain.SelectMany(id => Pair("generation", Segment(image, id) + (8 << 10), 16, 16, Generation))],
        ];
        if (image.Ksets.Count > 0)
        {
            ImageStructure[] ksets = [.. image.Ksets.Select(k =>
                new ImageStructure("kset", k.At, k.Bytes, -1, FieldsOf(k)))];
            kinds.AddRange([ksets, ksets, ksets]); // most of what can go wrong is in the log
        }

        return new ImageMap(kinds);
    }

    private static long Segment(ModelImage image, int id) => (20 << 10) + ((long)id * image.SegmentBytes);

    private static ImageStructure[] Pair(string name, long at, int stride, int size, ImageField[] fields) =>
        [new(name, at, size, at + stride, fields), new(name, at + stride, size, at, fields)];

    private static ImageField[] FieldsOf(ModelKset kset) =>
    [
        .. Kset,
        .. Enumerable.Range(0, kset.Keys)
            .SelectMany(i => Key.Select(f => f with { Name = $"key {i} {f.Name}", At = 24 + (40 * i) + f.At })),
    ];
}
