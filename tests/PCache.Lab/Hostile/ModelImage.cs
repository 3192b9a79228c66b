namespace PCache.Lab.Hostile;

/// <summary>What the model reader makes of an image.</summary>
internal enum ModelVerdict
{
    Sound,
    NotFormatted,
    Damaged,
    WrongBacking,
}

/// <summary>How a log ends.</summary>
internal enum ModelEnd
{
    /// <summary>It doesn't: a whole kset is there.</summary>
    None,
    Zeros,
    Torn,
    Leftover,
}

/// <summary>What is known of a backing besides its length.</summary>
/// <param name="Identity">Its identity, or empty.</param>
/// <param name="CanGrow">Whether it can grow now.</param>
/// <param name="Consent">Whether another backing than the bound one is taken.</param>
internal readonly record struct ModelBinding(Guid Identity, bool CanGrow, bool Consent = false);

/// <summary>A kset, and where it stands.</summary>
internal record struct ModelKset
{
    public long At;
    public int Segment;
    public int Offset;
    public int Keys;
    public bool IsLink;
    public uint Target;
    public uint Number;
    public bool Continues;
    public bool GoesOn;

    public readonly int Bytes => 24 + (40 * Keys);
}

/// <summary>A key as it is stored, and what follows for its payload.</summary>
internal record struct ModelKey
{
    public ulong Offset;
    public uint Bytes;
    public uint Flags;
    public uint Segment;
    public uint SegmentOffset;
    public ulong Generation;
    public uint Crc;
    public bool Dirty;
    public bool Fits;
    public long PayloadAt;
}

/// <summary>
/// The outcome of <see cref="ModelReader"/>. Keeps true: <see cref="Map"/> names, for each sector of the backing, the key that shows there; memory goes with
/// what the log holds. What is filled in goes as far as the reader came before its verdict.
/// </summary>
internal sealed class ModelImage
{
    public ModelVerdict Verdict { get; set; }

    /// <summary>Why it isn't sound.</summary>
    public string Reason { get; set; } = "";

    public int SegmentBytes { get; set; }

    public int Segments { get; set; }

    public int AreaBytes => SegmentBytes - (12 << 10);

    public bool PayloadSums { get; set; }

    public List<int> Chain { get; } = [];

    public List<ulong> Generations { get; } = [];

    public (int Segment, int Offset) KeyTail;

    public (int Segment, int Offset) DirtyTail;

    public (int Segment, int Offset) Head { get; set; }

    public ModelEnd End { get; set; }

    public uint LastNumber { get; set; }

    public List<ModelKset> Ksets { get; } = [];

    public List<ModelKey> LiveKeys { get; } = [];

    public int DeadKeys { get; set; }

    public int LostKeys { get; set; }

    /// <summary>The greatest length of the device that a kset tells; 0: none does.</summary>
    public long LengthTold { get; set; }

    /// <summary>The same of the ksets that aren't written back.</summary>
    public long LengthInLog { get; set; }

    public SectorMap Map { get; } = new();

    /// <summary>Device offset of a byte of a data area.</summary>
    public long Place(int segment, int offset) => (20 << 10) + ((long)Chain[segment] * SegmentBytes) + (12 << 10) + offset;
}

/// <summary>Which key shows in which sector: later entries go over earlier ones. Keeps true: work per entry is bounded by the sectors it names.</summary>
internal sealed class SectorMap
{
    private readonly Dictionary<ulong, int> _keys = [];

    /// <summary>Number of sectors that a key shows in.</summary>
    public int Count => _keys.Count;

    public IEnumerable<ulong> Sectors => _keys.Keys;

    public int? this[ulong sector] => _keys.TryGetValue(sector, out int key) ? key : null;

    public void Put(ulong sector, ulong count, int key)
    {
        for (ulong i = 0; i < count; i++)
        {
            _keys[sector + i] = key;
        }
    }

    public void Remove(ulong sector, ulong count)
    {
        for (ulong i = 0; i < count; i++)
        {
            _keys.Remove(sector + i);
        }
    }
}
