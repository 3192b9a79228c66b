namespace PCache.Testing;

/// <summary>
/// One 8-byte word of a <see cref="SimulatedPmem"/> whose content after a power cut isn't decided: stored, but not
/// yet flushed and drained.
/// </summary>
internal struct OpenWord
{
    /// <summary>Index of the word in the region.</summary>
    public int Word;

    /// <summary>Newest version, as an index into the versions; -1: none.</summary>
    public int Newest;

    /// <summary>The version that the last flush took along; -1: not flushed since.</summary>
    public int Flushed;

    /// <summary>Number of versions, the durable one not counted.</summary>
    public int Count;
}

/// <summary>
/// The words that are open, each with every value that was stored into it since it was last durable. Keeps true:
/// versions of a word are distinct from its predecessor, newest first; what a drain made durable is no longer a
/// version; memory for versions stays in proportion to those that still count.
/// </summary>
internal sealed class OpenWords
{
    private readonly int[] _slots; // by word: index into _open + 1; 0: not open
    private List<(ulong Value, int Older)> _versions = [];
    private List<(ulong Value, int Older)> _spare = [];
    private OpenWord[] _open = new OpenWord[64];
    private int _live; // versions that still count: the sum over all open words

    public OpenWords(int words) => _slots = new int[words];

    /// <summary>Number of versions in memory, those that no longer count included.</summary>
    public int KeptVersions => _versions.Count;

    /// <summary>Number of open words.</summary>
    public int Count { get; private set; }

    /// <summary>The open words, in the order in which they were first stored.</summary>
    public ReadOnlySpan<OpenWord> All => _open.AsSpan(0, Count);

    /// <summary>
    /// Number of states that a power cut may leave: the product over all words, as far as <paramref name="limit"/>.
    /// </summary>
    public long States(long limit)
    {
        long states = 1;
        foreach (ref readonly OpenWord word in All)
        {
            states *= word.Count + 1;
            if (states > limit)
            {
                return limit + 1;
            }
        }

        return states;
    }

    /// <summary>A value was stored that differs from the one before.</summary>
    public void Store(int word, ulong value)
    {
        int slot = _slots[word];
        if (slot == 0)
        {
            if (Count == _open.Length)
            {
                Array.Resize(ref _open, Count * 2);
            }

            _open[Count] = new OpenWord { Word = word, Newest = -1, Flushed = -1 };
            slot = _slots[word] = ++Count;
        }

        ref OpenWord open = ref _open[slot - 1];
        _versions.Add((value, open.Newest));
        open.Newest = _versions.Count - 1;
        open.Count++;
        _live++;
    }

    /// <summary>
    /// What is stored in the words from <paramref name="first"/> to before <paramref name="end"/> goes along with the
    /// next drain.
    /// </summary>
    public void Flush(int first, int end)
    {
        if (end - first < Count)
        {
            for (int word = first; word < end; word++)
            {
                if (_slots[word] is > 0 and int slot)
                {
                    _open[slot - 1].Flushed = _open[slot - 1].Newest;
                }
            }

            return;
        }

        for (int i = 0; i < Count; i++)
        {
            if (_open[i].Word >= first && _open[i].Word < end)
            {
                _open[i].Flushed = _open[i].Newest;
            }
        }
    }

    /// <summary>
    /// Makes what was flushed durable: calls <paramref name="durable"/> with each such word and its value.
    /// </summary>
    public void Drain(Action<int, ulong> durable)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            OpenWord open = _open[i];
            if (open.Flushed >= 0)
            {
                durable(open.Word, _versions[open.Flushed].Value);
                CutBehind(ref open);
            }

            if (open.Count == 0)
            {
                _slots[open.Word] = 0;
                continue;
            }

            _open[kept++] = open;
            _slots[open.Word] = kept;
        }

        Count = kept;
        Tidy();
    }

    /// <summary>The words from <paramref name="first"/> to before <paramref name="end"/> are no longer open.</summary>
    public void Forget(int first, int end)
    {
        int kept = 0;
        for (int i = 0; i < Count; i++)
        {
            OpenWord open = _open[i];
            if (open.Word >= first && open.Word < end)
            {
                _slots[open.Word] = 0;
                _live -= open.Count;
                continue;
            }

            _open[kept++] = open;
            _slots[open.Word] = kept;
        }

        Count = kept;
        Tidy();
    }

    /// <summary>Flips bits in every version of a word, if it is open.</summary>
    public void Flip(int word, ulong bits)
    {
        if (_slots[word] is > 0 and int slot)
        {
            for (int at = _open[slot - 1].Newest; at >= 0; at = _versions[at].Older)
            {
                _versions[at] = (_versions[at].Value ^ bits, _versions[at].Older);
            }
        }
    }

    /// <summary>
    /// Becomes a copy of <paramref name="source"/>, which has as many words; but nothing is flushed: a flush that no
    /// drain has followed ends with its process.
    /// </summary>
    public void CopyFrom(OpenWords source)
    {
        Clear();
        _open = source._open.ToArray();
        _versions.AddRange(source._versions);
        Count = source.Count;
        _live = source._live;
        for (int i = 0; i < Count; i++)
        {
            _slots[_open[i].Word] = i + 1;
            _open[i].Flushed = -1;
        }
    }

    /// <summary>Value of a word's version: 1 is the newest, <see cref="OpenWord.Count"/> the oldest.</summary>
    public ulong Version(in OpenWord open, int version)
    {
        int at = open.Newest;
        while (--version > 0)
        {
            at = _versions[at].Older;
        }

        return _versions[at].Value;
    }

    /// <summary>Forgets all.</summary>
    public void Clear()
    {
        for (int i = 0; i < Count; i++)
        {
            _slots[_open[i].Word] = 0;
        }

        Count = 0;
        _live = 0;
        _versions.Clear();
    }

    private void CutBehind(ref OpenWord open)
    {
        _live -= open.Count;
        if (open.Newest == open.Flushed)
        {
            open.Newest = -1;
            open.Count = 0;
        }
        else
        {
            int count = 1;
            int at = open.Newest;
            for (; _versions[at].Older != open.Flushed; at = _versions[at].Older)
            {
                count++;
            }

            _versions[at] = (_versions[at].Value, -1);
            open.Count = count;
            _live += count;
        }

        open.Flushed = -1;
    }

    /// <summary>
    /// Drops versions that no longer count, if they are many: a word that is never drained must not keep those of all
    /// others.
    /// </summary>
    private void Tidy()
    {
        if (Count == 0)
        {
            _versions.Clear();
        }
        else if (_versions.Count > 1024 && _versions.Count / 4 > _live)
        {
            for (int i = 0; i < Count; i++)
            {
                ref OpenWord open = ref _open[i];
                int at = open.Newest;
                int flushed = open.Flushed;
                open.Newest = _spare.Count;
                while (at >= 0)
                {
                    if (at == flushed)
                    {
                        open.Flushed = _spare.Count;
                    }

                    at = _versions[at].Older is >= 0 and int older
                        ? Move(at, older, _spare.Count + 1)
                        : Move(at, -1, -1);
                }
            }

            (_versions, _spare) = (_spare, _versions);
            _spare.Clear();
        }
    }

    private int Move(int at, int older, int newOlder)
    {
        _spare.Add((_versions[at].Value, newOlder));
        return older;
    }
}
