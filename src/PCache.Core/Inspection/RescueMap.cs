using System.Runtime.InteropServices;

namespace PCache.Core.Inspection;

/// <summary>A part of a key's range in which the key is the newest.</summary>
internal readonly record struct RescuePiece(ulong Start, ulong End, int Key);

/// <summary>
/// Finds the newest key of each range. Keeps true: the pieces are in ascending order and never overlap; a later key
/// wins over an earlier one; time is n log n and memory goes with the number of keys, however they overlap.
/// </summary>
internal static class RescueMap
{
    /// <summary>
    /// The pieces of the keys from <paramref name="first"/> up to <paramref name="end"/>, of those that
    /// <paramref name="counts"/> takes.
    /// </summary>
    public static List<RescuePiece> Build(
        List<RescuedKey> keys, int first, int end, Func<RescuedKey, bool>? counts = null)
    {
        ReadOnlySpan<RescuedKey> all = CollectionsMarshal.AsSpan(keys);
        List<int> taken = new(end - first);
        for (int i = first; i < end; i++)
        {
            if (counts is null || counts(all[i]))
            {
                taken.Add(i);
            }
        }

        int[] order = [.. taken];
        ulong[] starts = new ulong[order.Length];
        for (int i = 0; i < order.Length; i++)
        {
            starts[i] = all[order[i]].Key.Offset;
        }

        Array.Sort(starts, order);
        List<RescuePiece> pieces = [];
        PriorityQueue<int, int> open = new();
        int next = 0;
        ulong at = 0;
        while (next < order.Length || open.Count > 0)
        {
            while (open.TryPeek(out int key, out _) && all[key].Key.End <= at)
            {
                open.Dequeue();
            }

            if (open.Count == 0)
            {
                if (next == order.Length)
                {
                    break;
                }

                at = Math.Max(at, starts[next]);
            }

            while (next < order.Length && starts[next] <= at)
            {
                open.Enqueue(order[next], -order[next]);
                next++;
            }

            int newest = open.Peek();
            ulong until = all[newest].Key.End;
            if (until <= at)
            {
                continue;
            }

            until = next < order.Length ? Math.Min(until, starts[next]) : until;
            if (pieces.Count > 0 && pieces[^1].End == at && pieces[^1].Key == newest)
            {
                pieces[^1] = pieces[^1] with { End = until };
            }
            else
            {
                pieces.Add(new RescuePiece(at, until, newest));
            }

            at = until;
        }

        return pieces;
    }
}
