using FsCheck;
using FsCheck.Fluent;
using PCache.Core.Writeback;

namespace PCache.Core.Tests.Writeback;

/// <summary>Random groups against an array with the source of each byte of the device.</summary>
public class WritebackPlanModelTests
{
    private const int MaxDeviceLength = 24_000;

    [Fact]
    public void Agrees_with_an_array_of_bytes()
    {
        Gen<Entry> entry =
            from offset in Gen.Choose(0, MaxDeviceLength)
            from sectors in Gen.Frequency((2, Gen.Constant(false)), (3, Gen.Constant(true)))
            from length in Gen.Frequency((4, Gen.Choose(1, 1200)), (1, Gen.Choose(1, 9000)))
            select sectors ? new Entry(offset & -512, (length + 511) & -512) : new Entry(offset, length);
        Gen<Group> group =
            from count in Gen.Frequency((8, Gen.Choose(0, 40)), (2, Gen.Choose(250, 700)))
            from more in Gen.Frequency((2, Gen.Constant(0)), (1, Gen.Choose(1, 900)))
            from entries in entry.ArrayOf(count)
            from blockSize in Gen.Elements(1, 512, 4096)
            from deviceLength in Gen.Choose(0, MaxDeviceLength)
            from maxRunBytes in Gen.Elements(1, 700, 4096, 9000, 1 << 20)
            select new Group(entries, more, blockSize, deviceLength, maxRunBytes);
        WritebackPlan plan = new();
        Prop.ForAll(group.ToArbitrary(), group => Run(plan, group)).Check(Config.QuickThrowOnFailure.WithMaxTest(300));
    }

    private static void Run(WritebackPlan plan, Group group)
    {
        // 0: nothing there. Sources of different entries are far apart, so that a wrong one can't pass for a right one.
        long[] model = new long[group.DeviceLength];
        plan.Clear();
        for (int i = 0; i < group.Entries.Length; i++)
        {
            Entry entry = group.Entries[i];
            long source = (i + 1) * 100_000L;
            plan.Add(entry.Offset, entry.LengthBytes, source);
            for (int at = entry.Offset; at < Math.Min(entry.Offset + entry.LengthBytes, group.DeviceLength); at++)
            {
                model[at] = source + at - entry.Offset;
            }
        }

        // What a window took and gave back, since it ends at an earlier flush.
        for (int i = 0; i < group.TakenBack; i++)
        {
            plan.Add(i * 7L, 512, i);
        }

        plan.Keep(group.Entries.Length);
        Assert.Equal(group.Entries.Sum(entry => (long)entry.LengthBytes), plan.AddedBytes);
        plan.Build(group.BlockSize, group.DeviceLength, group.MaxRunBytes);
        CheckPieces(plan, model);
        Assert.Equal(ExpectedRuns(model, group),
            plan.Runs.ToArray().Select(run => (run.Offset, run.LengthBytes, run.NeedsFill)));
        int firstPiece = 0;
        foreach (WritebackRun run in plan.Runs)
        {
            Assert.Equal(firstPiece, run.FirstPiece);
            Assert.True(run.PieceCount > 0);
            firstPiece += run.PieceCount;
            foreach (WritebackPiece piece in plan.Pieces.Slice(run.FirstPiece, run.PieceCount))
            {
                Assert.InRange(piece.Offset, run.Offset, run.Offset + run.LengthBytes - 1);
                Assert.InRange(piece.Offset + piece.LengthBytes, run.Offset + 1, run.Offset + run.LengthBytes);
            }
        }

        Assert.Equal(plan.Pieces.Length, firstPiece);
        Assert.Equal(plan.Runs.ToArray().Sum(run => (long)run.LengthBytes), plan.RunBytes);
        Assert.Equal(model.Count(source => source != 0), plan.PieceBytes);
    }

    private static void CheckPieces(WritebackPlan plan, long[] model)
    {
        long position = 0;
        foreach (WritebackPiece piece in plan.Pieces)
        {
            Assert.InRange(piece.Offset, position, model.Length - 1);
            Assert.InRange(piece.LengthBytes, 1, model.Length - piece.Offset);
            Assert.Equal(-1, model.AsSpan((int)position, (int)(piece.Offset - position)).IndexOfAnyExcept(0));
            for (int i = 0; i < piece.LengthBytes; i++)
            {
                if (model[piece.Offset + i] != piece.Source + i)
                {
                    Assert.Fail(
                        $"Byte {piece.Offset + i} should come from {model[piece.Offset + i]}, not from "
                        + $"{piece.Source + i}.");
                }
            }

            position = piece.Offset + piece.LengthBytes;
        }

        Assert.Equal(-1, model.AsSpan((int)position).IndexOfAnyExcept(0));
    }

    /// <summary>
    /// Block by block: one with a byte of a piece belongs to a run, and joins the run of the block before it when the
    /// bytes on both sides of the boundary are there and the run has room.
    /// </summary>
    private static List<(long Offset, int LengthBytes, bool NeedsFill)> ExpectedRuns(long[] model, Group group)
    {
        int limit = Math.Max(1, group.MaxRunBytes / group.BlockSize) * group.BlockSize;
        List<(long Offset, int LengthBytes, bool NeedsFill)> runs = [];
        for (int start = 0; start < model.Length; start += group.BlockSize)
        {
            ReadOnlySpan<long> block = model.AsSpan(start, Math.Min(group.BlockSize, model.Length - start));
            if (block.IndexOfAnyExcept(0) < 0)
            {
                continue;
            }

            bool fill = block.Contains(0);
            bool joins = start > 0 && model[start - 1] != 0 && block[0] != 0 && runs[^1].LengthBytes
                + group.BlockSize <= limit;
            if (joins)
            {
                runs[^1] = (runs[^1].Offset, runs[^1].LengthBytes + block.Length, runs[^1].NeedsFill || fill);
            }
            else
            {
                runs.Add((start, block.Length, fill));
            }
        }

        return runs;
    }

    internal sealed record Entry(int Offset, int LengthBytes);

    internal sealed record Group(Entry[] Entries, int TakenBack, int BlockSize, int DeviceLength, int MaxRunBytes)
    {
        public override string ToString() =>
            $"block {BlockSize}, device {DeviceLength}, run {MaxRunBytes}: "
            + $"{string.Join(' ', Entries.Select(entry => $"{entry.Offset}+{entry.LengthBytes}"))}";
    }
}
