namespace PCache.Lab.Torture;

/// <summary>
/// What the backing alone may hold: the state at some flush barrier, up to sectors of the barrier group in progress. Keeps true: groups are numbered from
/// 0 in order, the last one is still open; a sector's timeline lists its versions with their group, oldest first, the first one being what the backing
/// had at the start; null stands for "anything".
/// </summary>
internal sealed class BarrierHistory
{
    /// <summary>No version.</summary>
    public static readonly byte[] Nothing = [];

    private readonly Universe _universe;
    private readonly List<Entry>[] _timelines;
    private int _group;
    private bool _groupHasWrites;
    private ulong[] _possible = new ulong[1];
    private ulong[] _fits = new ulong[1];

    public BarrierHistory(Universe universe)
    {
        _universe = universe;
        _timelines = new List<Entry>[universe.Slots];
        for (int i = 0; i < _timelines.Length; i++)
        {
            _timelines[i] = [new Entry(-1, new byte[SectorStamps.SectorBytes])];
        }
    }

    /// <summary>Nothing is said of the backing from here on: it is just being cut off.</summary>
    public long Limit { get; set; } = long.MaxValue;

    /// <summary>A write enters the open group.</summary>
    public void Write(int slot, byte[]? version)
    {
        _timelines[slot].Add(new Entry(_group, version));
        _groupHasWrites = true;
    }

    /// <summary>A barrier: the open group ends. Writes in progress belong to either: <paramref name="inProgress"/> yields their version, or nothing.</summary>
    public void Barrier(Func<int, byte[]?> inProgress)
    {
        if (!_groupHasWrites)
        {
            return;
        }

        _group++;
        _groupHasWrites = false;
        for (int slot = 0; slot < _timelines.Length; slot++)
        {
            byte[]? version = inProgress(slot);
            if (!ReferenceEquals(version, Nothing))
            {
                _timelines[slot][^1] = _timelines[slot][^1] with { IsCertain = false };
                Write(slot, version);
            }
        }
    }

    /// <summary>The backing has everything: history begins anew.</summary>
    public void Restart(Func<int, byte[]?> now)
    {
        _group = 0;
        _groupHasWrites = false;
        for (int slot = 0; slot < _timelines.Length; slot++)
        {
            Restart(slot, now(slot));
        }
    }

    /// <summary>The backing has this of a sector, whatever was before.</summary>
    public void Restart(int slot, byte[]? now)
    {
        _timelines[slot].Clear();
        _timelines[slot].Add(new Entry(-1, now));
    }

    /// <summary>There is a barrier such that everything before it is on the backing and nothing after the next one.</summary>
    /// <param name="backing">The backing.</param>
    /// <param name="isExact">Nothing of the next group may be there either.</param>
    public void Check(SimulatedDisk backing, bool isExact = false)
    {
        int groups = _group + (isExact ? 1 : 0); // exactly everything so far: a flush may have ended it that hasn't returned
        int words = (groups / 64) + 1;
        if (_possible.Length < words)
        {
            _possible = new ulong[words * 2];
            _fits = new ulong[words * 2];
        }

        _possible.AsSpan(0, words).Fill(ulong.MaxValue);
        _possible[words - 1] = ulong.MaxValue >> (63 - (groups % 64));
        Span<byte> found = stackalloc byte[SectorStamps.SectorBytes];
        for (int slot = 0; slot < _timelines.Length; slot++)
        {
            long at = _universe.SectorOf(slot) * SectorStamps.SectorBytes;
            int count = (int)Math.Clamp(Limit - at, 0, SectorStamps.SectorBytes);
            if (count < SectorStamps.SectorBytes)
            {
                continue;
            }

            // Where the backing hasn't grown yet there is nothing: what a state has there isn't there. Of the sector in
            // which it ends, what lies beyond says nothing: a power cut may take a length and leave what came with it.
            count = (int)Math.Clamp(backing.Length - at, 0, count);
            if (count == 0)
            {
                count = SectorStamps.SectorBytes;
                found.Clear();
            }
            else
            {
                backing.Peek(at, found[..count]);
            }

            bool any = false;
            Fits(slot, found[..count], isExact);
            for (int i = 0; i < words; i++)
            {
                _possible[i] &= _fits[i];
                any |= _possible[i] != 0;
            }

            if (!any)
            {
                throw new TortureViolation($"The backing matches no flush barrier: at sector {_universe.SectorOf(slot)} it holds {SectorStamps.Describe(found[..count])}; the sector's history is "
                    + string.Join(", ", _timelines[slot].Select(t => $"[{t.Group}] {(t.Version is null ? "anything" : SectorStamps.Describe(t.Version))}")) + $"; the open group is {_group}.");
            }
        }
    }

    /// <summary>Sets bit k for each k such that, with groups 0..k-1 written back and group k in progress, the sector may hold this.</summary>
    private void Fits(int slot, ReadOnlySpan<byte> found, bool isExact)
    {
        _fits.AsSpan().Clear();
        List<Entry> timeline = _timelines[slot];
        bool standing = false; // whether what stands there between two groups may be this
        for (int i = 0; i < timeline.Count; i++)
        {
            Entry entry = timeline[i];
            bool fits = entry.Version is null || found.SequenceEqual(entry.Version.AsSpan(0, found.Length));
            standing = fits || (standing && !entry.IsCertain);
            if (fits && entry.Group >= 0 && (!isExact || entry.Version is null)) // a discard counts as done at any time
            {
                _fits[entry.Group / 64] |= 1UL << (entry.Group % 64);
            }

            // The last version of its group is what stands there from the next group on, until another group has written.
            bool last = i + 1 == timeline.Count;
            if (standing && (last || timeline[i + 1].Group != entry.Group))
            {
                int to = last ? _group + (isExact ? 1 : 0) : timeline[i + 1].Group;
                for (int k = entry.Group + 1; k <= to; k++)
                {
                    _fits[k / 64] |= 1UL << (k % 64);
                }
            }
        }
    }

    /// <summary>A version of a sector; not certain: the write may also have come after the barrier.</summary>
    private readonly record struct Entry(int Group, byte[]? Version, bool IsCertain = true);
}
