using FsCheck;
using FsCheck.Fluent;

namespace PCache.Core.Tests.Testing;

/// <summary>
/// Random stores, flushes, drains and damage against the fault model written down naively: each word has its durable
/// value and the list of all stored since. Whatever a kill or a power cut leaves is legal, and a copy loaded again and
/// again is the same as one made anew.
/// </summary>
public sealed class SimulatedPmemModelTests
{
    private const int Length = 4096 + 157; // two pages; the last line and the last word are cut

    private enum Kind
    {
        Store,
        StoreZeros,
        StoreWithCrc,
        Flush,
        Drain,
        FailedDrain,
        Flip,
        Poison,
    }

    [Fact]
    public void Every_image_is_legal_and_every_copy_exact()
    {
        Gen<int> offset = Gen.Frequency((5, Gen.Choose(0, 40)), (3, Gen.Choose(4080, 4112)),
            (3, Gen.Choose(Length - 40, Length)), (1, Gen.Choose(0, Length)));
        Gen<int> length = Gen.Frequency((6, Gen.Choose(0, 20)), (2, Gen.Choose(0, 140)), (1, Gen.Choose(0, Length)));
        Gen<Kind> kind = Gen.Frequency(
            (8, Gen.Constant(Kind.Store)),
            (2, Gen.Constant(Kind.StoreZeros)),
            (2, Gen.Constant(Kind.StoreWithCrc)),
            (6, Gen.Constant(Kind.Flush)),
            (3, Gen.Constant(Kind.Drain)),
            (1, Gen.Constant(Kind.FailedDrain)),
            (1, Gen.Constant(Kind.Flip)),
            (1, Gen.Constant(Kind.Poison)));
        Gen<Step> step =
            from what in kind
            from at in offset
            from count in length
            from fill in Gen.Choose(0, 3)
            select new Step(what, at, Math.Min(count, Length - at), (byte)fill);
        Prop.ForAll(step.ArrayOf(40).ToArbitrary(), Run).QuickCheckThrowOnFailure();
    }

    private static void Run(Step[] steps)
    {
        using SimulatedPmem region = SimulatedPmem.Allocate(Length);
        using SimulatedPmem copy = SimulatedPmem.Allocate(Length);
        var model = new Model();
        var random = new Random(steps.Length);
        foreach (Step step in steps)
        {
            Apply(region, model, step);
            Assert.Equal(model.Memory, region.KillImage());
            Assert.Equal(model.Words.Count(w => w.Versions.Count > 1), region.OpenWordCount);
            model.AssertLegal(region.PowerCutImage(random));

            // The copy is used as a recovered machine is, and loaded again.
            copy.Write(random.Next(Length - 30), new byte[] { 1, 2, 3, 4, 5, 6, 7, 8, 9 });
            copy.FlushRange(0, Length);
            if (random.Next(2) == 0)
            {
                copy.Drain();
            }

            int[] versions = [.. region.Open.All.ToArray().Select(w => random.Next(w.Count + 1))];
            byte[] expected = model.Durable();
            for (int i = 0; i < versions.Length; i++)
            {
                int word = region.Open.All[i].Word;
                List<byte[]> known = model.Words[word].Versions;
                Assert.Equal(known.Count - 1, region.Open.All[i].Count);
                known[versions[i] == 0 ? 0 : ^versions[i]].CopyTo(expected, word * 8);
            }

            copy.LoadPowerCut(region, versions);
            Assert.Equal(expected, copy.KillImage());
            Assert.Equal(0, copy.OpenWordCount);
            copy.LoadKill(region);
            Assert.Equal(model.Memory, copy.KillImage());
            Assert.Equal(region.OpenWordCount, copy.OpenWordCount);
            model.AssertLegal(copy.PowerCutImage(random));
        }

        using SimulatedPmem killed = region.AfterKill();
        Assert.Equal(model.Memory, killed.KillImage());
        model.AssertLegal(killed.PowerCutImage(random));
        killed.Drain(); // what the killed process had flushed isn't flushed
        Assert.Equal(region.OpenWordCount, killed.OpenWordCount);
        model.AssertLegal(killed.PowerCutImage(random));
        killed.FlushRange(0, Length);
        killed.Drain();
        Assert.Equal(0, killed.OpenWordCount);
        Assert.Equal(model.Memory, killed.PowerCutImage(random));
    }

    private static void Apply(SimulatedPmem region, Model model, Step step)
    {
        byte[] bytes = new byte[step.Count];
        bytes.AsSpan().Fill(step.Fill);
        switch (step.Kind)
        {
            case Kind.Store:
                region.Write(step.Offset, bytes);
                model.Store(step.Offset, bytes);
                break;
            case Kind.StoreZeros:
                region.WriteZeros(step.Offset, step.Count);
                model.Store(step.Offset, new byte[step.Count]);
                break;
            case Kind.StoreWithCrc:
                Assert.Equal(PCache.Core.Primitives.Crc32C.Append(7, bytes),
                    region.WriteWithCrc(step.Offset, bytes, 7));
                model.Store(step.Offset, bytes);
                break;
            case Kind.Flush:
                region.FlushRange(step.Offset, step.Count);
                model.Flush(step.Offset, step.Count);
                break;
            case Kind.Drain:
                region.Drain();
                model.Drain();
                break;
            case Kind.FailedDrain:
                region.DrainError = new IOException("no drain");
                Assert.Throws<IOException>(region.Drain);
                region.DrainError = null;
                break;
            case Kind.Flip when step.Offset < Length:
                region.FlipBit(step.Offset, step.Fill + 4);
                model.Flip(step.Offset, step.Fill + 4);
                break;
            case Kind.Poison:
                region.Poison(step.Offset, step.Count);
                model.Poison(step.Offset, step.Count);
                break;
            default:
                break;
        }
    }

    private sealed record Step(Kind Kind, int Offset, int Count, byte Fill);

    /// <summary>Versions of one word: the durable one, then all stored since, in order.</summary>
    private sealed class Word(int length)
    {
        public List<byte[]> Versions { get; } = [new byte[length]];

        public int Flushed { get; set; }
    }

    private sealed class Model
    {
        public byte[] Memory { get; } = new byte[Length];

        public Word[] Words { get; } =
            [.. Enumerable.Range(0, (Length + 7) / 8).Select(w => new Word(Math.Min(8, Length - (w * 8))))];

        public byte[] Durable() => [.. Words.SelectMany(w => w.Versions[0])];

        public void Store(int offset, byte[] bytes)
        {
            bytes.CopyTo(Memory, offset);
            foreach ((Word word, byte[] now) in Touched(offset, bytes.Length))
            {
                if (!now.AsSpan().SequenceEqual(word.Versions[^1]))
                {
                    word.Versions.Add(now);
                }
            }
        }

        public void Flush(int offset, int count)
        {
            foreach ((Word word, _) in Touched(offset, count))
            {
                word.Flushed = word.Versions.Count - 1;
            }
        }

        public void Drain()
        {
            foreach (Word word in Words)
            {
                word.Versions.RemoveRange(0, word.Flushed);
                word.Flushed = 0;
            }
        }

        public void Flip(int offset, int bit)
        {
            Memory[offset] ^= (byte)(1 << bit);
            foreach (byte[] version in Words[offset / 8].Versions)
            {
                version[offset % 8] ^= (byte)(1 << bit);
            }
        }

        public void Poison(int offset, int count)
        {
            if (count == 0)
            {
                return;
            }

            int from = offset / 64 * 64;
            int end = Math.Min((offset + count + 63) / 64 * 64, Length);
            Memory.AsSpan(from, end - from).Fill(0xA5);
            foreach ((Word word, byte[] now) in Touched(from, end - from))
            {
                word.Versions.Clear();
                word.Versions.Add(now);
                word.Flushed = 0;
            }
        }

        public void AssertLegal(byte[] image)
        {
            for (int i = 0; i < Words.Length; i++)
            {
                byte[] found = image[(i * 8)..Math.Min((i * 8) + 8, Length)];
                Assert.True(Words[i].Versions.Exists(v => v.AsSpan().SequenceEqual(found)),
                    $"word {i} is {Convert.ToHexString(found)}, legal: "
                    + $"{string.Join(", ", Words[i].Versions.Select(Convert.ToHexString))}");
            }
        }

        private IEnumerable<(Word Word, byte[] Now)> Touched(int offset, int count)
        {
            for (int i = offset / 8; count > 0 && i * 8 < offset + count; i++)
            {
                yield return (Words[i], Memory[(i * 8)..Math.Min((i * 8) + 8, Length)]);
            }
        }
    }
}
