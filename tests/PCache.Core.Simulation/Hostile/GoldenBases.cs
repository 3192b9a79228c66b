using System.IO.Compression;
using PCache.Lab.Hostile;

namespace PCache.Core.Simulation.Hostile;

/// <summary>
/// Images that Linux wrote, as bases of mutants. Keeps true: only what isn't zero takes memory; each call makes bases
/// of its own.
/// </summary>
internal static class GoldenBases
{
    private const int BlockBytes = 4096;

    public static List<HostileBase> Load(params string[] names) => [.. names.Select(Load)];

    private static HostileBase Load(string name)
    {
        string folder = Path.Combine(AppContext.BaseDirectory, "Golden", name);
        List<(long At, byte[] Bytes)> image = Blocks(Path.Combine(folder, "pmem.img.gz"), out long length);
        List<(long At, byte[] Bytes)> content = Blocks(Path.Combine(folder, "backing.img.gz"), out long backingLength);
        var backing = new HostileBacking(backingLength);
        content.ForEach(b => backing.Write(b.At, b.Bytes));
        backing.Freeze();
        return new HostileBase(name, length,
            memory => image.ForEach(b => b.Bytes.CopyTo(memory.Span(b.At, b.Bytes.Length))), backing, Guid.Empty);
    }

    private static List<(long At, byte[] Bytes)> Blocks(string path, out long length)
    {
        using var zip = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        List<(long, byte[])> blocks = [];
        byte[] buffer = new byte[256 * BlockBytes];
        length = 0;
        for (int read; (read = zip.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false)) > 0; length += read)
        {
            for (int at = 0; at < read; at += BlockBytes)
            {
                ReadOnlySpan<byte> block = buffer.AsSpan(at, Math.Min(BlockBytes, read - at));
                if (block.ContainsAnyExcept((byte)0))
                {
                    blocks.Add((length + at, block.ToArray()));
                }
            }
        }

        return blocks;
    }
}
