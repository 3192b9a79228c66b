using System.Runtime.InteropServices;
using PCache.Core.Ksets;
using PCache.Core.Layout;

namespace PCache.Core.Inspection;

/// <summary>
/// The log without a place to begin: all ksets of all segments, in the order of their numbers. Keeps true: ksets that
/// stand one behind the other stay in their order; where the order isn't certain (numbers of two separate series,
/// ksets without numbers and without links) everything is possibly stale.
/// </summary>
internal sealed partial class RescueLog
{
    /// <summary>Ksets one behind the other, in temporary lists.</summary>
    private sealed class Run
    {
        public int Segment;
        public int Offset;
        public int FirstKset;
        public int KsetCount;
        public uint First;
        public uint Last;
        public long Link = -1;
        public bool IsPlaced;
    }

    private void ReadInOrderOfNumbers()
    {
        // Those at the heads of segments first: segments whose payload they name hold no log.
        List<Run> runs = [];
        List<ScannedKset> ksets = [];
        List<CacheKey> keys = [];
        for (int pass = 0; pass < 2; pass++)
        {
            for (int segment = 0; segment < _visited.Length; segment++)
            {
                _progress?.Invoke(segment, _visited.Length);
                bool wanted = pass == 0 ? !_visited[segment] : !_visited[segment] && !_referenced[segment];
                if (wanted && _scan.Load(segment) && (pass == 1 || _scan.TryGet(0, out _)))
                {
                    CollectRuns(runs, ksets, keys, onlyHead: pass == 0);
                }
            }
        }

        // What looks like ksets inside payload is payload.
        runs.RemoveAll(run => _referenced[run.Segment]);
        if (runs.Count == 0)
        {
            return;
        }

        runs = PutInOrder(runs, out bool certain);
        int[] firstKeys = new int[ksets.Count + 1];
        for (int i = 0; i < ksets.Count; i++)
        {
            firstKeys[i + 1] = firstKeys[i] + ksets[i].KeyCount;
        }

        Run? before = null;
        foreach (Run run in runs)
        {
            if (before is not null && !Follows(before, run))
            {
                AddHole(new LogPosition(before.Segment, ksets[before.FirstKset + before.KsetCount - 1].End), -1, -1,
                    $"ksets between there and {run.Segment}:{run.Offset} are destroyed");
            }

            Enter(run.Segment);
            for (int i = run.FirstKset; i < run.FirstKset + run.KsetCount; i++)
            {
                Take(run.Segment, ksets[i], CollectionsMarshal.AsSpan(keys)[firstKeys[i]..firstKeys[i + 1]],
                    suspicious: false);
                End = new LogPosition(run.Segment, ksets[i].End);
            }

            before = run;
        }

        if (!certain)
        {
            StaleBefore = Ksets.Count;
            _findings.Damage("log-order", "kset", -1,
                "The order of the ksets isn't certain, as both tails are lost and the ksets have no numbers, or "
                + "numbers of several series. Everything in the log is possibly stale.");
        }
    }

    private void CollectRuns(List<Run> runs, List<ScannedKset> ksets, List<CacheKey> keys, bool onlyHead)
    {
        int index = 0;
        bool taken = !onlyHead && _scan.TryGet(0, out _); // the head's run was taken in the first pass
        int offset = 0;
        while (index < _scan.Ksets.Count)
        {
            ScannedKset kset = _scan.Ksets[index];
            if (onlyHead && kset.Offset != 0)
            {
                return;
            }

            SequenceTracker sequence = default;
            Run run = new() { Segment = _scan.Segment, Offset = kset.Offset, FirstKset = ksets.Count };
            while (_scan.TryGet(kset.Offset, out kset) && sequence.Accepts(kset.Sequence))
            {
                sequence.Advance(kset.Sequence);
                run.First = run.First == 0 ? kset.Sequence : run.First;
                run.KsetCount++;
                offset = kset.End;
                if (!taken)
                {
                    ksets.Add(kset);
                    foreach (ref readonly CacheKey key in _scan.Keys(in kset))
                    {
                        keys.Add(key);
                        if (IsLive(in key) && _layout.Generations[key.Segment] is not null)
                        {
                            _referenced[key.Segment] = true;
                        }
                    }
                }

                if (kset.Header.IsLast)
                {
                    run.Link = kset.Header.KeyCount;
                    break;
                }

                kset = new ScannedKset(kset.End, default);
            }

            run.Last = sequence.Last;
            if (!taken)
            {
                runs.Add(run);
            }

            taken = false;
            index = Math.Max(index + 1, _scan.IndexFrom(offset));
        }
    }

    private static List<Run> PutInOrder(List<Run> runs, out bool certain)
    {
        List<Run> numbered = [.. runs.Where(run => run.First != 0).OrderBy(run => run.First)];
        certain = true;
        if (numbered.Count > 0)
        {
            // The numbers go round; the series begins behind the widest gap.
            int start = 0;
            uint widest = 0;
            int wide = 0;
            for (int i = 0; i < numbered.Count; i++)
            {
                Run before = numbered[(i + numbered.Count - 1) % numbered.Count];
                uint gap = SequenceTracker.Distance(SequenceTracker.Next(before.Last), numbered[i].First);
                wide += gap > MaxWindow ? 1 : 0;
                if (gap >= widest)
                {
                    (widest, start) = (gap, i);
                }
            }

            certain = wide <= 1;
            numbered = [.. numbered[start..], .. numbered[..start]];
        }

        // Without numbers only the links tell.
        Dictionary<long, Run> heads = [];
        foreach (Run run in runs.Where(run => run.Offset == 0))
        {
            heads.TryAdd(run.Segment, run);
        }

        HashSet<long> linked = [.. runs.Select(run => run.Link)];
        List<Run> ordered = [];
        List<Run> roots = [.. runs.Where(run => run.First == 0 && (run.Offset != 0 || !linked.Contains(run.Segment)))];
        certain &= roots.Count <= (numbered.Count == 0 ? 1 : 0);
        foreach (Run root in roots.Concat(numbered))
        {
            for (Run? run = root; run is { IsPlaced: false };)
            {
                run.IsPlaced = true;
                ordered.Add(run);
                run = heads.TryGetValue(run.Link, out Run? next) && next.First == 0 ? next : null;
            }
        }

        certain &= runs.All(run => run.IsPlaced);
        ordered.AddRange(runs.Where(run => !run.IsPlaced));
        return ordered;
    }

    /// <summary>Whether nothing that names anything can have stood between.</summary>
    private static bool Follows(Run before, Run run)
    {
        bool linked = before.Link == run.Segment && run.Offset == 0;
        if (before.Last == 0 || run.First == 0)
        {
            return linked;
        }

        uint missing = SequenceTracker.Distance(SequenceTracker.Next(before.Last), run.First);
        return missing == 0 || (missing == 1 && before.Link < 0 && run.Offset == 0 && run.Segment != before.Segment);
    }
}
