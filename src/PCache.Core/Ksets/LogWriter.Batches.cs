using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <content>
/// Appending more keys than one kset holds, under this writer's lock: all of them or none.
/// </content>
/// <remarks>
/// Keeps true:
/// <list type="bullet">
/// <item>The ksets from the second on, links included, are stored behind the place of the first and are durable, with
/// everything that they name, before the first is stored: a reader that comes to the first's place before finds
/// nothing there, and one that comes later finds all.</item>
/// <item>Each of them says that it continues a batch, so that nobody takes them for what a destroyed kset has left;
/// each but the last says that the batch goes on, so that nobody takes a part for the whole.</item>
/// <item>Their places depend on the head and the number of keys alone. A try after a failed one begins with a clear
/// head, takes the same keys and maybe more, and so stores the same ksets at the same places but for the last, which
/// may be longer: what is behind the batch is zeros still.</item>
/// <item>A segment into which the batch goes on is zeroed whole, durably, before anything is stored in it, and
/// belongs to the log from then on; a try after a failed one goes on in the same.</item>
/// </list>
/// </remarks>
internal sealed partial class LogWriter
{
    private readonly List<int> _targets = []; // the segments into which an append goes on that isn't done yet
    private bool _headMayHold; // something of an append that failed

    /// <summary>Appends all that was taken, of which the first kset holds <paramref name="inFirst"/> keys.</summary>
    private void StoreBatch(int inFirst)
    {
        ReadOnlySpan<CacheKey> keys = _taken.All;
        LogPosition first = _positions.KeyHead.Position;
        uint firstSequence = SequenceTracker.Next(_lastSequence);
        uint sequence = firstSequence;
        int size = KsetBytes(inFirst);
        int bytes = size;
        int ksetBytes = size;
        int links = 0;
        LogPosition at = first with { Offset = first.Offset + size };
        for (int done = inFirst; done < keys.Length;)
        {
            Invariant.Holds(at.Offset + MediaConstants.KsetHeaderSize <= _segments.DataSize,
                "behind a kset there is room for a last one");
            int next = KeysThatFit(at.Offset, keys.Length - done);
            sequence = SequenceTracker.Next(sequence);
            if (next == 0)
            {
                int target = BatchTarget(links++, at.Offset);
                Invariant.Holds(target != at.Segment, "the log goes on in another segment");
                StoreBehind(at, PrepareLink(target, KsetHeader.MakeFlags(last: true, barrier: false, sequence)
                    | KsetHeader.BatchFlags(continues: true, goesOn: true)));
                bytes += MediaConstants.KsetHeaderSize;
                at = new LogPosition(target, 0);
                continue;
            }

            size = KsetBytes(next);
            StoreBehind(at, Prepare(keys.Slice(done, next), KsetHeader.MakeFlags(last: false, barrier: false, sequence)
                | KsetHeader.BatchFlags(continues: true, goesOn: done + next < keys.Length)));
            done += next;
            bytes += size;
            ksetBytes += size;
            at = at with { Offset = at.Offset + size };
        }

        _region.Drain(); // the payload of everything taken, and all ksets but the first
        StoreHead(first, PrepareFirst(keys[..inFirst], KsetHeader.MakeFlags(last: false, _barrierPending, firstSequence)
            | KsetHeader.BatchFlags(continues: false, goesOn: true)));
        _targets.Clear();
        Advance(at, bytes, keys.Length, ksetBytes, sequence);
    }

    /// <summary>Stores a kset where no reader comes to before the batch's first stands; not durable yet.</summary>
    private void StoreBehind(LogPosition at, ReadOnlySpan<byte> bytes)
    {
        long place = _segments.DataOffset(at.Segment) + at.Offset;
        _region.Write(place, bytes);
        _region.FlushRange(place, bytes.Length);
    }

    /// <summary>
    /// The segment to which the append's link of a number leads: that of the try before, or else the next of the
    /// reserve, zeroed durably.
    /// </summary>
    private int BatchTarget(int link, int headOffset)
    {
        if (link < _targets.Count)
        {
            return _targets[link];
        }

        int next = _segments.PeekReserve();
        if (next < 0)
        {
            throw new PCacheFullException("The log has no segment left. Room for keys is reserved before they are "
                + "accepted, so this is a defect.");
        }

        _next.Finish(next);
        int refilled = _next.Take();
        _targets.Add(next);
        Room.Linked(headOffset, refilled);
        _work.TellNow(); // a busy log fills a segment in less time than the maintenance may sleep
        return next;
    }
}
