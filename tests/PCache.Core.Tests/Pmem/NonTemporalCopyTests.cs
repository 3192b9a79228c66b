using System.Runtime.InteropServices;
using PCache.Core.Pmem;
using PCache.Core.Primitives;
using PCache.Core.Tests.Primitives;
using CopyPath = PCache.Core.Pmem.NonTemporalCopy.Path;

namespace PCache.Core.Tests.Pmem;

/// <summary>Every copying path that this processor has: the right bytes, only those, and their checksum.</summary>
public unsafe class NonTemporalCopyTests : IDisposable
{
    private const int Margin = 192;
    private const int Longest = 9000;
    private readonly byte* _memory = (byte*)NativeMemory.AlignedAlloc(Longest + (2 * Margin), 64);
    private readonly byte[] _source = new byte[Longest + Margin];

    public NonTemporalCopyTests() => new Random(3).NextBytes(_source);

    public static TheoryData<int> Paths
        => [.. Enum.GetValues<CopyPath>().Where(NonTemporalCopy.IsSupported).Select(path => (int)path)];

    public void Dispose() => NativeMemory.AlignedFree(_memory);

    [Fact]
    public void The_best_path_is_one_of_the_processors()
    {
        Assert.True(NonTemporalCopy.IsSupported(NonTemporalCopy.Best));
        Assert.True(NonTemporalCopy.IsSupported(CopyPath.Words));
        Assert.DoesNotContain(Enum.GetValues<CopyPath>(), path =>
            path > NonTemporalCopy.Best && NonTemporalCopy.IsSupported(path));
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void All_short_lengths_at_all_alignments(int path)
    {
        for (int length = 0; length <= 600; length++)
        {
            Check((CopyPath)path, Margin + (length * 7 % 64), length * 5 % 61, length);
        }

        for (int alignment = 0; alignment < 64; alignment++)
        {
            for (int length = 0; length < 24; length++)
            {
                Check((CopyPath)path, Margin + alignment, alignment * 3 % 17, length);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void Random_lengths_and_alignments(int path)
    {
        Random random = new(4);
        for (int i = 0; i < 300; i++)
        {
            bool payload = random.Next(2) == 0;
            Check(
                (CopyPath)path,
                Margin + (payload ? 0 : random.Next(64)),
                random.Next(Margin),
                payload ? 512 * random.Next(1, 17) : random.Next(Longest - 64));
        }
    }

    [Theory]
    [MemberData(nameof(Paths))]
    public void The_checksum_is_of_what_was_stored_while_the_source_changes(int path)
    {
        const int Length = 4096;
        byte* source = (byte*)NativeMemory.AlignedAlloc(Length + 64, 64);
        try
        {
            new Span<byte>(source, Length + 64).Clear();
            using CancellationTokenSource stop = new();
            using ManualResetEventSlim started = new();
            Thread writer = new(() =>
            {
                Random random = new(5);
                while (!stop.IsCancellationRequested)
                {
                    ((ulong*)source)[random.Next((Length + 64) / 8)] = (ulong)random.NextInt64();
                    started.Set();
                }
            });
            writer.Start();
            started.Wait();
            try
            {
                for (int i = 0; i < 3000; i++)
                {
                    int start = i % 9;
                    byte* destination = _memory + Margin + (i % 8 == 0 ? 3 : 0);
                    uint crc = NonTemporalCopy.CopyWithCrc((CopyPath)path, destination, source + start, Length, 77);
                    Assert.Equal(Crc32C.Append(77, new ReadOnlySpan<byte>(destination, Length)), crc);
                }
            }
            finally
            {
                stop.Cancel();
                writer.Join();
            }
        }
        finally
        {
            NativeMemory.AlignedFree(source);
        }
    }

    private void Check(CopyPath path, int destination, int start, int length)
    {
        string where = $"{path}, destination {destination}, source {start}, length {length}";
        ReadOnlySpan<byte> source = _source.AsSpan(start, length);
        Span<byte> all = new(_memory, Longest + (2 * Margin));
        fixed (byte* bytes = _source)
        {
            all.Fill(0xEE);
            NonTemporalCopy.Copy(path, _memory + destination, bytes + start, (nuint)length);
            AssertOnly(all, destination, source, where);

            all.Fill(0xDD);
            uint crc = NonTemporalCopy.CopyWithCrc(path, _memory + destination, bytes
                + start, (nuint)length, 0x1234567);
            AssertOnly(all, destination, source, where);
            Assert.True(Crc32CTests.Reference(0x1234567, source) == crc, where);

            all.Fill(0xCC);
            NonTemporalCopy.Zero(path, _memory + destination, (nuint)length);
            AssertOnly(all, destination, new byte[length], where);
        }
    }

    private static void AssertOnly(ReadOnlySpan<byte> all, int destination, ReadOnlySpan<byte> expected, string where)
    {
        byte filler = all[0];
        Assert.True(all.Slice(destination, expected.Length).SequenceEqual(expected), where);
        Assert.False(all[..destination].ContainsAnyExcept(filler), $"{where}: bytes before the range changed");
        Assert.False(all[(destination + expected.Length)..].ContainsAnyExcept(filler),
            $"{where}: bytes behind the range changed");
    }
}
