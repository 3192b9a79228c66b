using System.Collections.Concurrent;
using System.IO.Compression;
using System.Text.Json;

namespace PCache.Core.Tests.Support;

/// <summary>
/// One golden image set, written by Linux. Each is decompressed once per run and kept as its non-zero blocks; every
/// region handed out is a private copy.
/// </summary>
internal sealed class GoldenSet
{
    private const int BlockBytes = 64 << 10;

    private static readonly ConcurrentDictionary<string, Lazy<GoldenSet>> Sets = new();

    private readonly List<(long Offset, byte[] Data)> _blocks = [];
    private readonly Lazy<byte[]> _backing;

    private GoldenSet(string name)
    {
        Name = name;
        string folder = Path.Combine(AppContext.BaseDirectory, "Golden", name);
        Manifest = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "manifest.json"))).RootElement;
        using Stream pmem = new GZipStream(File.OpenRead(Path.Combine(folder, "pmem.img.gz")),
            CompressionMode.Decompress);
        byte[] buffer = new byte[BlockBytes];
        int read;
        while ((read = pmem.ReadAtLeast(buffer, BlockBytes, throwOnEndOfStream: false)) > 0)
        {
            if (buffer.AsSpan(0, read).ContainsAnyExcept((byte)0))
            {
                _blocks.Add((PmemBytes, buffer[..read]));
            }

            PmemBytes += read;
        }

        _backing = new Lazy<byte[]>(() =>
        {
            using Stream zip = new GZipStream(File.OpenRead(Path.Combine(folder, "backing.img.gz")),
                CompressionMode.Decompress);
            byte[] backing = new byte[BackingBytes];
            zip.ReadExactly(backing);
            return backing;
        });
    }

    public static IReadOnlyList<string> Names { get; } =
        ["fresh", "dirty-small", "dirty-nocrc", "dirty-2cpu", "read-fill", "multi-link", "killed", "gc-crash"];

    public string Name { get; }

    public JsonElement Manifest { get; }

    public long PmemBytes { get; }

    public long BackingBytes => Manifest.GetProperty("backing_bytes").GetInt64();

    public bool WasKilled => Manifest.TryGetProperty("killed", out JsonElement killed) && killed.GetBoolean();

    /// <summary>The backing's first <see cref="BackingBytes"/> bytes, shared: not to be changed.</summary>
    public ReadOnlyMemory<byte> Backing => _backing.Value;

    /// <summary>The last status line's fields behind the word "pcache".</summary>
    public string LastDmStatus
    {
        get
        {
            JsonElement lines = Manifest.GetProperty("status_lines");
            string line = lines[lines.GetArrayLength() - 1].GetString()!;
            return line[(line.IndexOf(" pcache ", StringComparison.Ordinal) + " pcache ".Length)..];
        }
    }

    public static GoldenSet Load(string name) =>
        Sets.GetOrAdd(name, static n => new Lazy<GoldenSet>(() => new GoldenSet(n))).Value;

    /// <summary>A private copy of the cache image.</summary>
    public TestRegion OpenPmem(bool readOnly = true)
    {
        TestRegion region = TestRegion.Create(PmemBytes, readOnly);
        foreach ((long offset, byte[] data) in _blocks)
        {
            data.CopyTo(region.Bytes(offset, data.Length));
        }

        return region;
    }

    /// <summary>A private copy of the backing.</summary>
    public byte[] CopyBacking() => Backing.ToArray();

    /// <summary>Writes the cache image, sparse, to a file.</summary>
    public void WritePmem(string path)
    {
        using FileStream file = new(path, FileMode.CreateNew);
        file.SetLength(PmemBytes);
        foreach ((long offset, byte[] data) in _blocks)
        {
            file.Position = offset;
            file.Write(data);
        }
    }
}
