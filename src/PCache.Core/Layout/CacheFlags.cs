namespace PCache.Core.Layout;

/// <summary>The flags word of <see cref="CacheInfo"/>.</summary>
internal readonly record struct CacheFlags(uint Value)
{
    private const uint PayloadCrcBit = 1;
    private const uint InitialisedBit = 2;
    private const int ModeShift = 2;
    private const uint ModeMask = 0xF;
    private const int GcShift = 6;
    private const uint GcMask = 0x7F;

    public const int MaxGcPercent = 90;
    public const int DefaultGcPercent = 70;

    public bool PayloadCrc => (Value & PayloadCrcBit) != 0;

    public bool Initialised => (Value & InitialisedBit) != 0;

    /// <summary>0 write-back, 1 write-through, 2 write-around, 3 write-only.</summary>
    public int Mode => (int)((Value >> ModeShift) & ModeMask);

    public int GcPercent => (int)((Value >> GcShift) & GcMask);

    public static CacheFlags Create(bool payloadCrc, int gcPercent) =>
        new((payloadCrc ? PayloadCrcBit : 0) | InitialisedBit | ((uint)gcPercent << GcShift));

    public CacheFlags WithGcPercent(int gcPercent) =>
        new((Value & ~(GcMask << GcShift)) | ((uint)gcPercent << GcShift));
}
