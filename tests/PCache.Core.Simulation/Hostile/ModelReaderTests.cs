using System.Security.Cryptography;
using System.Text.Json;
using PCache.Lab.Hostile;

namespace PCache.Core.Simulation.Hostile;

/// <summary>The model reader itself: it reads from Linux's images what Linux read from them.</summary>
public sealed class ModelReaderTests
{
    [Theory]
    [InlineData("fresh")]
    [InlineData("dirty-small")]
    [InlineData("dirty-nocrc")]
    [InlineData("dirty-2cpu")]
    [InlineData("read-fill")]
    [InlineData("killed")]
    [InlineData("gc-crash")]
    public void It_reads_what_linux_read(string name)
    {
        using HostileBase golden = GoldenBases.Load(name)[0];
        ReadOnlySpan<byte> image = golden.Memory.Span(0, golden.LengthBytes);
        byte[] content = new byte[golden.Backing.Length];
        golden.Backing.Read(0, content);
        foreach (ulong sector in golden.Original.Map.Sectors)
        {
            ModelKey key = golden.Original.LiveKeys[golden.Original.Map[sector]!.Value];
            Assert.True(key.Fits);
            image.Slice((int)(key.PayloadAt + (long)((sector * 512) - key.Offset)), 512)
                .CopyTo(content.AsSpan((int)sector * 512));
        }

        using JsonDocument manifest = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Golden", name, "manifest.json")));
        Assert.Equal(manifest.RootElement.GetProperty("kernel_readback_sha256").GetString(),
            Convert.ToHexStringLower(SHA256.HashData(content)));
    }

    [Fact]
    public void The_same_bases_come_out_each_time()
    {
        List<HostileBase> first = BaseImages.Make();
        List<HostileBase> second = BaseImages.Make();
        Assert.Equal(first.Select(b => b.Sum), second.Select(b => b.Sum));
        Assert.Contains(first, b => b.Original.DeadKeys > b.Original.LostKeys);
        Assert.Contains(first, b => b.Original.LostKeys > 0);
        Assert.Contains(first, b => b.Original.Ksets.Count(k => k.IsLink) > 1);
        Assert.Contains(first, b => b.Original.KeyTail.Offset > 0);
        Assert.Contains(first, b => b.Original.LastNumber == 0 && b.Original.Ksets.Count > 10);
        // shared zeros
        Assert.Contains(first, b => b.Original.LiveKeys.GroupBy(k => (k.Segment, k.SegmentOffset))
            .Any(g => g.Count() > 1));
        Assert.Contains(first, b => b.Original.LiveKeys.Exists(k => (k.Flags & 2) != 0));
        first.ForEach(b => b.Dispose());
        second.ForEach(b => b.Dispose());
    }
}
