using System.Runtime.Intrinsics.X86;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using PCache.Core.Primitives;

namespace PCache.Core.Tests.Primitives;

/// <summary>Every path against a reference that takes one bit at a time.</summary>
public class Crc32CTests
{
    private const uint Polynomial = 0x82F63B78;

    public delegate uint Append(uint crc, ReadOnlySpan<byte> source);

    /// <summary>
    /// The paths by name; those that this processor lacks are tested by <see cref="Paths_follow_the_processor"/> only.
    /// </summary>
    public static TheoryData<string> PathNames
    {
        get
        {
            TheoryData<string> names = ["default", "words", "portable"];
            if (Crc32CFolding.IsSupported)
            {
                names.Add("folded");
            }

            if (Crc32CFolding.IsWideSupported)
            {
                names.Add("wide");
            }

            return names;
        }
    }

    [Fact]
    public void Known_values()
    {
        // The standard check value of CRC-32C is that of "123456789" with inversion at both ends.
        byte[] check = Encoding.ASCII.GetBytes("123456789");
        Assert.Equal(0xE3069283u, ~Crc32C.Append(~0u, check));
        Assert.Equal(Reference(0x0003B15A, check), Crc32C.HashToUInt32(check));
        Assert.Equal(Crc32C.FormatSeed, Crc32C.HashToUInt32([]));
    }

    [Fact]
    public void Paths_follow_the_processor()
    {
        Assert.Equal(Sse42.X64.IsSupported && Pclmulqdq.IsSupported, Crc32CFolding.IsSupported);
        Assert.True(Crc32CFolding.IsSupported || !Crc32CFolding.IsWideSupported);
    }

    [Theory]
    [MemberData(nameof(PathNames))]
    public void All_short_lengths(string name)
    {
        Append append = Path(name);
        byte[] bytes = new byte[700];
        new Random(1).NextBytes(bytes);
        for (int length = 0; length <= 600; length++)
        {
            int start = length % 67;
            ReadOnlySpan<byte> source = bytes.AsSpan(start, length);
            uint crc = (uint)(length * 0x9E3779B9);
            Assert.True(Reference(crc, source) == append(crc, source), $"{name}, length {length}, start {start}");
        }
    }

    [Theory]
    [MemberData(nameof(PathNames))]
    public void Random_lengths_and_alignments(string name)
    {
        Append append = Path(name);
        byte[] bytes = new byte[20_000];
        Random random = new(2);
        random.NextBytes(bytes);
        for (int i = 0; i < 400; i++)
        {
            int start = random.Next(130);
            int length = random.Next(4) == 0 ? (random.Next(4) + 1) * 4096 : random.Next(bytes.Length - 130);
            ReadOnlySpan<byte> source = bytes.AsSpan(start, length);
            uint crc = (uint)random.NextInt64(1L << 32);
            Assert.True(Reference(crc, source) == append(crc, source),
                $"{name}, length {length}, start {start}, crc {crc:X8}");
        }
    }

    [Theory]
    [MemberData(nameof(PathNames))]
    public void Every_bit_counts(string name)
    {
        Append append = Path(name);
        byte[] bytes = new byte[4096 + 512 + 77];
        uint blank = append(0, bytes);
        for (int bit = 0; bit < bytes.Length * 8; bit += 53)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.True(blank != append(0, bytes), $"{name}, bit {bit}");
            bytes[bit / 8] = 0;
        }
    }

    [Fact]
    public void Parts_append_to_the_whole()
        => Prop.ForAll<byte[], byte[], uint>((first, second, crc) =>
            Crc32C.Append(Crc32C.Append(crc, first), second) == Crc32C.Append(crc, [.. first, .. second]))
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Folding_constants_are_powers_of_x()
    {
        Assert.Equal((Power((8 * 256) + 31), Power((8 * 256) - 33)),
            (Crc32CFolding.Fold256Low, Crc32CFolding.Fold256High));
        Assert.Equal((Power((8 * 64) + 31), Power((8 * 64) - 33)), (Crc32CFolding.Fold64Low, Crc32CFolding.Fold64High));
        Assert.Equal((Power((8 * 16) + 31), Power((8 * 16) - 33)), (Crc32CFolding.Fold16Low, Crc32CFolding.Fold16High));
        Assert.Equal(
            (Power((8 * 2048) - 33), Power((8 * 1536) - 33), Power((8 * 1024) - 33), Power((8 * 512) - 33)),
            (Crc32CFolding.Move2048, Crc32CFolding.Move1536, Crc32CFolding.Move1024, Crc32CFolding.Move512));
    }

    internal static uint Reference(uint crc, ReadOnlySpan<byte> source)
    {
        foreach (byte b in source)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
            {
                crc = (crc >> 1) ^ ((crc & 1) * Polynomial);
            }
        }

        return crc;
    }

    private static ulong Power(int exponent)
    {
        uint power = 0x80000000;
        for (int i = 0; i < exponent; i++)
        {
            power = (power >> 1) ^ ((power & 1) * Polynomial);
        }

        return power;
    }

    private static Append Path(string name) => name switch
    {
        "words" => Crc32C.AppendWords,
        "portable" => Crc32CPortable.Append,
        "folded" => Crc32C.AppendFolded,
        "wide" => Crc32C.AppendWide,
        _ => Crc32C.Append,
    };
}
