using PCache.Core.Indexing;

namespace PCache.Core.Tests.Indexing;

/// <summary>
/// Extents for tests: an id (the generation) tells each one apart, and all other fields follow from it.
/// </summary>
internal static class Extents
{
    public static Extent Make(int start, int end, int id, ExtentFlags flags = ExtentFlags.None) => new()
    {
        Start = (ushort)start,
        Length = (ushort)(end - start),
        KeyStart = (ushort)start,
        KeyLength = (ushort)(end - start),
        Segment = (uint)id + 100,
        PayloadSector = (ushort)PayloadOf(id),
        Flags = flags,
        PayloadCrc = CrcOf(id),
        Generation = (ulong)id,
    };

    /// <summary>A stripe of its own; its memory goes with the last handle.</summary>
    public static StripeIndex NewIndex() => new StripeDirectory().GetOrAdd(0);

    /// <summary>
    /// "[start-end)id" of each piece, and "[start-end)-" of gaps; checks that what a trimmed extent says about its
    /// payload and its key is right.
    /// </summary>
    public static string Show(ReadOnlySpan<Extent> extents)
    {
        List<string> parts = [];
        foreach (Extent extent in extents)
        {
            if (extent.IsGap)
            {
                parts.Add($"[{extent.Start}-{extent.End})-");
                continue;
            }

            int id = (int)extent.Generation;
            Assert.Equal(PayloadOf(id) + extent.Start - extent.KeyStart, extent.PayloadSector);
            Assert.Equal(CrcOf(id), extent.PayloadCrc);
            Assert.Equal((uint)id + 100, extent.Segment);
            Assert.InRange(extent.Start, extent.KeyStart, extent.KeyStart + extent.KeyLength - 1);
            Assert.InRange(extent.End, extent.KeyStart + 1, extent.KeyStart + extent.KeyLength);
            parts.Add($"[{extent.Start}-{extent.End}){id}");
        }

        return string.Join(' ', parts);
    }

    public static string Show(StripeIndex index)
    {
        index.Validate();
        ExtentBuffer all = new();
        foreach (Extent extent in index)
        {
            all.Add(in extent);
        }

        Assert.Equal(index.Count, all.Count);
        Assert.Equal(index.Count == 0, index.IsEmpty);
        return Show(all.AsSpan());
    }

    public static string ShowLookup(StripeIndex index, int start, int end)
    {
        ExtentBuffer pieces = new();
        Assert.Equal(index.Lookup(start, end, pieces), pieces.Count);
        return Show(pieces.AsSpan());
    }

    private static int PayloadOf(int id) => (id * 37) % 20_000;

    private static uint CrcOf(int id) => (uint)id * 2_654_435_761;
}

/// <summary>Matches the extents with one id, and counts how often it is asked.</summary>
internal struct IdFilter(int id) : IExtentFilter
{
    public int Asked;

    public bool Matches(in Extent extent)
    {
        Asked++;
        return extent.Generation == (ulong)id;
    }
}

/// <summary>Matches the extents with an even id.</summary>
internal readonly struct EvenFilter : IExtentFilter
{
    public bool Matches(in Extent extent) => extent.Generation % 2 == 0;
}
