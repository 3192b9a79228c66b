using FsCheck;
using FsCheck.Fluent;
using PCache.Core.Indexing;
using static PCache.Core.Tests.Indexing.Extents;

namespace PCache.Core.Tests.Indexing;

/// <summary>
/// Random operations on a stripe's index against the simplest model: an array with the extent of each of the 8192
/// sectors.
/// </summary>
public class StripeIndexModelTests
{
    [Fact]
    public void Agrees_with_an_array_of_sectors()
    {
        // Small windows at the start and the end of the stripe meet every edge; now and then anything goes.
        Gen<(int Start, int End)> range = Gen.Frequency(
            (6, Window(0, 24)),
            (3, Window(StripeIndex.SectorCount - 16, StripeIndex.SectorCount)),
            (1, Window(0, StripeIndex.SectorCount)));
        Gen<Step> step =
            from kind in Gen.Frequency((6, Gen.Constant(Kind.Insert)), (2, Gen.Constant(Kind.Remove)),
                (2, Gen.Constant(Kind.RemoveWhere)), (3, Gen.Constant(Kind.Replace)))
            from at in range
            from look in range
            select new Step(kind, at.Start, at.End, look.Start, look.End);
        Prop.ForAll(step.ArrayOf(60).ToArbitrary(), Run).QuickCheckThrowOnFailure();
    }

    private static Gen<(int Start, int End)> Window(int low, int high) =>
        from a in Gen.Choose(low, high - 1)
        from b in Gen.Choose(low, high - 1)
        select (Math.Min(a, b), Math.Max(a, b) + 1);

    private static void Run(Step[] steps)
    {
        StripeIndex index = NewIndex();
        Extent[] model = new Extent[StripeIndex.SectorCount];
        ExtentBuffer pieces = new();
        EvenFilter even = default;
        int id = 0;
        foreach (Step step in steps)
        {
            id++;
            Extent extent = Make(step.Start, step.End, id);
            pieces.Clear();
            switch (step.Kind)
            {
                case Kind.Insert:
                    index.Insert(in extent);
                    break;
                case Kind.Remove:
                    index.Remove(step.Start, step.End);
                    break;
                case Kind.RemoveWhere:
                    index.RemoveWhere(step.Start, step.End, ref even);
                    break;
                default:
                    index.ReplaceWhere(in extent, ref even, pieces);
                    Assert.Equal(RunsWhere(model, step.Start, step.End, IsEven), Ranges(pieces));
                    break;
            }

            for (int sector = step.Start; sector < step.End; sector++)
            {
                model[sector] = step.Kind switch
                {
                    Kind.Insert => extent.Clip(sector, sector + 1),
                    Kind.Remove => default,
                    Kind.RemoveWhere => IsEven(model[sector]) ? default : model[sector],
                    _ => IsEven(model[sector]) ? extent.Clip(sector, sector + 1) : model[sector],
                };
            }

            index.Validate();
            Compare(index, model, step.LookStart, step.LookEnd, pieces);
        }

        Compare(index, model, 0, StripeIndex.SectorCount, pieces);

        // Nothing is split needlessly: as many extents as there are runs of one id.
        int runs = 0;
        for (int sector = 0; sector < model.Length; sector++)
        {
            runs += model[sector].Length > 0
                && (sector == 0 || model[sector - 1].Generation != model[sector].Generation) ? 1 : 0;
        }

        Assert.Equal(runs, index.Count);
    }

    private static bool IsEven(Extent extent) => extent.Length > 0 && extent.Generation % 2 == 0;

    private static void Compare(StripeIndex index, Extent[] model, int start, int end, ExtentBuffer pieces)
    {
        pieces.Clear();
        Assert.Equal(index.Lookup(start, end, pieces), pieces.Count);
        int position = start;
        foreach (Extent piece in pieces.AsSpan())
        {
            Assert.Equal(position, piece.Start);
            for (; position < piece.End; position++)
            {
                if (piece.IsGap ? model[position].Length != 0
                    : !piece.Clip(position, position + 1).Equals(model[position]))
                {
                    Assert.Fail(
                        $"Sector {position} of piece [{piece.Start}, {piece.End}) id {piece.Generation}: model has "
                        + $"id {model[position].Generation}.");
                }
            }
        }

        Assert.Equal(end, position);
        bool single = index.TryGetSingle(start, end, out Extent whole);
        Assert.Equal(pieces.Count == 1 && !pieces[0].IsGap, single);
        if (single)
        {
            Assert.Equal(pieces[0], whole);
        }
    }

    private static List<(int Start, int End)> RunsWhere(Extent[] model, int start, int end, Func<Extent, bool> matches)
    {
        List<(int Start, int End)> runs = [];
        for (int sector = start; sector < end; sector++)
        {
            if (!matches(model[sector]))
            {
                continue;
            }

            if (runs.Count > 0 && runs[^1].End == sector)
            {
                runs[^1] = (runs[^1].Start, sector + 1);
            }
            else
            {
                runs.Add((sector, sector + 1));
            }
        }

        return runs;
    }

    private static List<(int Start, int End)> Ranges(ExtentBuffer pieces)
    {
        List<(int Start, int End)> ranges = [];
        foreach (Extent piece in pieces.AsSpan())
        {
            ranges.Add((piece.Start, piece.End));
        }

        return ranges;
    }

    internal enum Kind
    {
        Insert,
        Remove,
        RemoveWhere,
        Replace,
    }

    internal readonly record struct Step(Kind Kind, int Start, int End, int LookStart, int LookEnd);
}
