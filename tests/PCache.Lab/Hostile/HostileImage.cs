namespace PCache.Lab.Hostile;

/// <summary>
/// A base image while it is mutated. Keeps true: every change goes through <see cref="Patch"/>, which keeps what was
/// there, so that <see cref="Undo"/> brings the base back, byte for byte; what has been done is said in words for the
/// report.
/// </summary>
internal sealed unsafe class HostileImage
{
    private readonly List<(long At, byte[] Before)> _undo = [];
    private readonly List<string> _steps = [];

    public HostileImage(HostileBase of, int seed)
    {
        Base = of;
        Seed = seed;
        LengthBytes = of.LengthBytes;
        Begin = of.Memory.Begin;
    }

    public HostileBase Base { get; }

    /// <summary>From which exactly this image is made again.</summary>
    public int Seed { get; }

    /// <summary>Length of the mutant: the base's, or shorter or longer.</summary>
    public long LengthBytes { get; set; }

    /// <summary>First byte of the mutant, which may be a copy elsewhere.</summary>
    public byte* Begin { get; set; }

    /// <summary>
    /// Whether nothing was changed that means anything: what the reader gets must be the base's content.
    /// </summary>
    public bool KeepsMeaning { get; set; }

    public string Description => $"base \"{Base.Name}\", {string.Join("; ", _steps)}";

    /// <summary>All bytes of the base's memory, as changed so far.</summary>
    public ReadOnlySpan<byte> Bytes => Base.Memory.Span(0, Base.LengthBytes);

    /// <summary>The mutant.</summary>
    public ReadOnlySpan<byte> Mutant => new(Begin, checked((int)LengthBytes));

    public void Say(string step) => _steps.Add(step);

    /// <summary>Overwrites some bytes; what lies beyond the base's end is left out.</summary>
    public void Patch(long at, ReadOnlySpan<byte> bytes)
    {
        if (at < 0 || at >= Base.LengthBytes)
        {
            return;
        }

        bytes = bytes[..(int)Math.Min(bytes.Length, Base.LengthBytes - at)];
        Span<byte> target = Base.Memory.Span(at, bytes.Length);
        _undo.Add((at, target.ToArray()));
        bytes.CopyTo(target);
    }

    public void Undo()
    {
        for (int i = _undo.Count - 1; i >= 0; i--)
        {
            (long at, byte[] before) = _undo[i];
            before.CopyTo(Base.Memory.Span(at, before.Length));
        }

        _undo.Clear();
    }
}
