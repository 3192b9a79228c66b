namespace PCache.Core.Layout;

/// <summary>Places and sizes of the on-media format (docs/on-media-format.md).</summary>
internal static class MediaConstants
{
    public const int SectorSize = 512;
    public const int StripeSize = 4 << 20;
    public const int BlockSize = 4096;

    public const long ExtensionOffset = 0;
    public const int ExtensionStride = 2048;
    public const long SuperblockOffset = 4096;
    public const long CacheInfoOffset = 8192;
    public const int CacheInfoStride = 4096;
    public const long ControlOffset = 16384;
    public const long KeyTailOffset = ControlOffset;
    public const long DirtyTailOffset = ControlOffset + 32;
    public const int PositionStride = 16;
    public const long SegmentsOffset = 20480;

    public const int SegmentInfoStride = 4096;
    public const int SegmentControlOffset = 8192;
    public const int GenerationStride = 16;
    public const int SegmentDataOffset = 12288;

    public const ulong SuperblockMagicLinux = 0x65B05EFA96C596EF;
    public const ulong SuperblockMagicCompact = 0x65B05EFA96C596C0;
    public const uint SuperblockBigEndianFlag = 1;

    public const int LinuxSegmentSize = 16 << 20;
    public const int MinSegmentSize = 64 << 10;
    public const int MaxSegmentCount = 1_048_576;
    public const int MinCompactSegments = 4;
    public const long LinuxMinDeviceSize = 512L << 20;

    public const ulong KsetMagic = 0x676894A64E164F1A;
    public const int KsetHeaderSize = 24;
    public const int KeySize = 40;
    public const int MaxKeysPerKset = 128;

    public const ulong ExtensionMagic = 0x4B4341504E455443;
}
