using PCache.Core;

namespace PCache.Lab.Hostile;

/// <summary>
/// A sound image that mutants are made of, in guarded memory of its own, with its backing. Keeps true: between two
/// mutants memory and backing are as they were made; the image is at the memory's begin, and a spare segment of zeros
/// behind it, for mutants that are longer.
/// </summary>
internal sealed unsafe class HostileBase : IDisposable
{
    /// <param name="name">What it is called in reports.</param>
    /// <param name="lengthBytes">Length of the image.</param>
    /// <param name="load">Puts the image into memory that is all zeros.</param>
    /// <param name="backing">Its backing; frozen.</param>
    /// <param name="identity">The identity that the image is bound to, or empty.</param>
    public HostileBase(string name, long lengthBytes, Action<GuardedMemory> load, HostileBacking backing, Guid identity)
    {
        Name = name;
        LengthBytes = lengthBytes;
        Backing = backing;
        Identity = identity;
        Memory = new GuardedMemory(lengthBytes + SpareBytes);
        load(Memory);
        Original = ModelReader.Read(Memory.Span(0, lengthBytes), backing.Length, Binding);
        if (Original.Verdict != ModelVerdict.Sound)
        {
            throw new InvalidOperationException($"The base '{name}' isn't sound: {Original.Reason}.");
        }

        Universe = SectorUniverse.Of(Original, backing.Length);
        Sum = ComputeSum();
    }

    public const int SpareBytes = 64 << 10;

    /// <summary>Images up to this length are summed and copied whole; larger ones are sparse.</summary>
    public const long MostCompactBytes = 16 << 20;

    public string Name { get; }

    public long LengthBytes { get; }

    public GuardedMemory Memory { get; }

    public HostileBacking Backing { get; }

    public Guid Identity { get; }

    public ModelBinding Binding => new(Identity, Backing.CanResize);

    /// <summary>What the model reader makes of the image as it is.</summary>
    public ModelImage Original { get; }

    /// <summary>The sectors whose content is looked at.</summary>
    public SectorUniverse Universe { get; }

    public bool IsCompact => LengthBytes <= MostCompactBytes;

    /// <summary>Sum over the whole of a compact image and its spare.</summary>
    public uint Sum { get; }

    public uint ComputeSum() => IsCompact ? ModelReader.Sum(Memory.Span(0, Memory.LengthBytes)) : 0;

    /// <summary>
    /// Options to open it with. Content that mutants claim the backing to hold is no reason to refuse them: with that
    /// comparison few would get any further.
    /// </summary>
    public PCacheOptions Options => new()
    {
        BackingIdentity = Identity,
        CompareBackingAfterCrash = false,
        LeaveBackingOpen = true,
        LeaveRegionOpen = true,
        Maintenance = MaintenanceMode.Manual,
        TimeProvider = new VirtualClock(),
        WritebackGroupBytes = 64 << 10,
        SpaceTimeout = TimeSpan.FromSeconds(1),
    };

    public void Dispose() => Memory.Dispose();
}
