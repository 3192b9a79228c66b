using System.Runtime.InteropServices;

namespace PCache.Testing;

// What a crash leaves. Keeps true: the region itself stays as it is; what a kill leaves open stays open; the same
// decisions leave the same state.
public sealed unsafe partial class SimulatedPmem
{
    /// <summary>What a kill of the process now would leave: every store so far.</summary>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public byte[] KillImage()
    {
        using (_gate.Hold())
        {
            Check(0, 0);
            byte[] image = Bytes(0, (int)LengthBytes).ToArray();
            GC.KeepAlive(this);
            return image;
        }
    }

    /// <summary>
    /// Another region, as a kill of the process leaves this one: nothing is lost, what isn't durable is still open,
    /// and has to be flushed anew. Without hook and faults of drains.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public SimulatedPmem AfterKill()
    {
        SimulatedPmem left = Allocate(LengthBytes, DrainIsCheap);
        using (_gate.Hold())
        {
            Check(0, 0);
            Buffer.MemoryCopy(_memory, left._memory, LengthBytes, LengthBytes);
            Buffer.MemoryCopy(_durable, left._durable, LengthBytes, LengthBytes);
            left._open.CopyFrom(_open);
            left._poisoned.UnionWith(_poisoned);
            GC.KeepAlive(this);
            return left;
        }
    }

    /// <summary>
    /// Another region, as a power cut now may leave this one (see <see cref="PowerCutImage"/>); poisoned lines stay
    /// poisoned. Without hook and faults of drains.
    /// </summary>
    /// <param name="random">Source of the decisions; the same seed leaves the same state.</param>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public SimulatedPmem AfterPowerCut(Random random)
    {
        using (_gate.Hold())
        {
            SimulatedPmem left = FromImage(PowerCutImage(random), DrainIsCheap);
            left._poisoned.UnionWith(_poisoned);
            return left;
        }
    }

    /// <summary>
    /// One of the states that a power cut now may leave: all old, all new, or anything between, as
    /// <paramref name="random"/> decides.
    /// </summary>
    /// <param name="random">Source of the decisions; the same seed leaves the same state.</param>
    /// <remarks>
    /// Every legal state may come up. Words of one cache line or page are often decided together, so that states in
    /// which much is new and a little isn't, or the reverse, are frequent; and all old and all new are the most
    /// frequent.
    /// </remarks>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public byte[] PowerCutImage(Random random)
    {
        ArgumentNullException.ThrowIfNull(random);
        using (_gate.Hold())
        {
            Check(0, 0);
            byte[] image = new ReadOnlySpan<byte>(_durable, (int)LengthBytes).ToArray();
            int percentNew = new[] { 0, 5, 50, 95, 100 }[random.Next(5)];
            int unit = new[] { WordBytes, LineBytes, PageBytes }[random.Next(3)] / WordBytes;
            Dictionary<int, bool> decided = [];
            foreach (ref readonly OpenWord word in _open.All)
            {
                if (!decided.TryGetValue(word.Word / unit, out bool isNew))
                {
                    decided[word.Word / unit] = isNew = random.Next(100) < percentNew;
                }

                if (isNew)
                {
                    int version = random.Next(4) == 0 ? 1 + random.Next(word.Count) : 1;
                    Put(image, word.Word, _open.Version(in word, version));
                }
            }

            GC.KeepAlive(this);
            return image;
        }
    }

    /// <summary>
    /// Becomes what a power cut of <paramref name="source"/> leaves if <paramref name="versions"/> decides each open
    /// word (0: the durable value, 1: the newest, and so on). Cheap if this was last loaded from the same source:
    /// only what has changed since is copied.
    /// </summary>
    internal void LoadPowerCut(SimulatedPmem source, ReadOnlySpan<int> versions)
    {
        LoadDurable(source);
        ReadOnlySpan<OpenWord> open = source._open.All;
        for (int i = 0; i < open.Length; i++)
        {
            if (versions[i] > 0)
            {
                Set(open[i].Word, source._open.Version(in open[i], versions[i]));
            }
        }
    }

    /// <summary>
    /// Becomes what a kill at this moment leaves of <paramref name="source"/> (see <see cref="AfterKill"/>): all of
    /// it, and what wasn't durable still isn't.
    /// </summary>
    internal void LoadKill(SimulatedPmem source)
    {
        LoadDurable(source);
        foreach (ref readonly OpenWord open in source._open.All)
        {
            for (int version = open.Count; version >= 1; version--)
            {
                ulong value = source._open.Version(in open, version);
                ((ulong*)_memory)[open.Word] = value;
                _open.Store(open.Word, value);
            }

            _changed[open.Word * WordBytes / PageBytes] = ++_clock;
        }
    }

    private static void Put(byte[] image, int word, ulong value)
    {
        Span<byte> bytes = stackalloc byte[WordBytes];
        MemoryMarshal.Write(bytes, in value);
        int at = word * WordBytes;
        bytes[..Math.Min(WordBytes, image.Length - at)].CopyTo(image.AsSpan(at));
    }

    private void Set(int word, ulong value)
    {
        ((ulong*)_memory)[word] = value;
        ((ulong*)_durable)[word] = value;
        _changed[word * WordBytes / PageBytes] = ++_clock;
    }

    private void LoadDurable(SimulatedPmem source)
    {
        if (LengthBytes != source.LengthBytes)
        {
            throw new ArgumentException("The regions differ in length.", nameof(source));
        }

        _open.Clear();
        _poisoned.Clear();
        _poisoned.UnionWith(source._poisoned);
        bool known = ReferenceEquals(_copyOf, source);
        for (int page = 0; page < _changed.Length; page++)
        {
            if (!known || source._changed[page] > _copiedAt || _changed[page] > _copiedAtOwn)
            {
                long at = (long)page * PageBytes;
                Buffer.MemoryCopy(source._durable + at, _memory + at, PageBytes, PageBytes);
                Buffer.MemoryCopy(source._durable + at, _durable + at, PageBytes, PageBytes);
                _changed[page] = ++_clock; // for a reader that has copied from here
            }
        }

        _copyOf = source;
        _copiedAt = source._clock;
        _copiedAtOwn = _clock;
    }
}
