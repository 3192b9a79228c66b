using System.Globalization;
using System.Runtime.CompilerServices;
using PCache.Core.Layout;
using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>Whether a key counts.</summary>
internal enum KeyState
{
    /// <summary>Its generation is its segment's.</summary>
    Live,

    /// <summary>
    /// Its segment has been given a later generation since: its data has been written back, the payload belongs to
    /// another key.
    /// </summary>
    Dead,
}

/// <summary>What is wrong with a key.</summary>
internal enum KeyFault
{
    None,
    Empty,
    Length,
    Offset,
    Stripe,
    Segment,
    Generation,
    Payload,

    /// <summary>The key is fine, but lies beyond the backing's end.</summary>
    BeyondBacking,
}

/// <summary>
/// The rules for one key, the same for replay, write-back and GC. Keeps true: what passes can be used as range of the
/// backing and, if live, as range of a data area without any further check; the payload of a dead key is not looked
/// at.
/// </summary>
internal sealed class KeyValidator
{
    private const string Structure = "key";

    private readonly int _dataSize;
    private readonly int _chainLength;
    private ulong _deviceEnd;
    private readonly long? _backingLength;

    /// <param name="geometry">Geometry of the cache device.</param>
    /// <param name="chainLength">Number of cache segments.</param>
    /// <param name="backingLength">Length of the backing in bytes; null: not known, so not checked.</param>
    public KeyValidator(Geometry geometry, int chainLength, long? backingLength)
    {
        _dataSize = geometry.DataSize;
        _chainLength = chainLength;
        _backingLength = backingLength;

        _deviceEnd = backingLength is long length ? WholeSectors(length) : long.MaxValue;
    }

    /// <summary>The log has made the device this long: keys may lie there from now on.</summary>
    public void Lengthen(long deviceLength) => _deviceEnd = Math.Max(_deviceEnd, WholeSectors(deviceLength));

    /// <summary>Checks a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="deviceOffset">Its byte offset on the cache device, for messages.</param>
    /// <param name="generations">Generations by chain position.</param>
    /// <returns>Live or dead.</returns>
    /// <exception cref="PCacheCorruptionException">A field that no sound cache has.</exception>
    /// <exception cref="PCacheBackingMismatchException">The key is fine but lies beyond the backing's end.</exception>
    public KeyState Check(in CacheKey key, long deviceOffset, ReadOnlySpan<ulong> generations)
    {
        KeyFault fault = Find(in key, generations, out KeyState state);
        return fault == KeyFault.None ? state : throw Describe(fault, in key, deviceOffset, generations);
    }

    /// <summary>
    /// What is wrong with a key, without the cost of an exception: a log may hold a great many bad ones.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public KeyFault Find(in CacheKey key, ReadOnlySpan<ulong> generations, out KeyState state)
    {
        const ulong SectorMask = MediaConstants.SectorSize - 1;
        state = KeyState.Dead;
        if ((key.Flags & CacheKey.EmptyFlag) != 0)
        {
            return KeyFault.Empty;
        }

        if (key.Length == 0 || (key.Length & SectorMask) != 0 || key.Length > MediaConstants.StripeSize)
        {
            return KeyFault.Length;
        }

        // The length is at most a stripe, so the sum can't wrap once the offset has passed the first condition.
        if (key.Offset > long.MaxValue - MediaConstants.StripeSize || (key.Offset & SectorMask) != 0)
        {
            return KeyFault.Offset;
        }

        if (key.Offset / MediaConstants.StripeSize != (key.End - 1) / MediaConstants.StripeSize)
        {
            return KeyFault.Stripe;
        }

        if (key.Segment >= (uint)_chainLength)
        {
            return KeyFault.Segment;
        }

        ulong generation = generations[(int)key.Segment];
        if (key.Generation > generation)
        {
            return KeyFault.Generation;
        }

        state = key.Generation < generation ? KeyState.Dead : KeyState.Live;
        if (state == KeyState.Live
            && (key.SegmentOffset % MediaConstants.SectorSize != 0
                || (ulong)key.SegmentOffset + key.Length > (ulong)_dataSize))
        {
            return KeyFault.Payload;
        }

        return key.End > _deviceEnd ? KeyFault.BeyondBacking : KeyFault.None;
    }

    /// <summary>The exception for what <see cref="Find"/> found.</summary>
    public PCacheException Describe(
        KeyFault fault, in CacheKey key, long deviceOffset, ReadOnlySpan<ulong> generations) => fault switch
        {
            KeyFault.Empty =>
                Corrupt(
                    deviceOffset, $"The flags are 0x{key.Flags:X} with \"empty\" (bit 0), which is never on media."),
            KeyFault.Length => Corrupt(deviceOffset,
                $"The length is {key.Length}, allowed are multiples of 512 from 512 to {MediaConstants.StripeSize}."),
            KeyFault.Offset => Corrupt(
                deviceOffset, $"The offset is {key.Offset}, allowed are multiples of 512 up to the end of the device."),
            KeyFault.Stripe => Corrupt(deviceOffset,
                $"The range {key.Offset}..{key.End - 1} crosses a boundary of {MediaConstants.StripeSize} bytes."),
            KeyFault.Segment =>
                Corrupt(deviceOffset, $"The cache segment is {key.Segment}, allowed are 0 to {_chainLength - 1}."),
            KeyFault.Generation => Corrupt(deviceOffset, $"The generation is {key.Generation}, allowed are 0 to "
                + $"{generations[(int)key.Segment]}, which is that of cache segment {key.Segment}."),
            KeyFault.Payload => Corrupt(deviceOffset, $"The payload of {key.Length} bytes is at {key.SegmentOffset}, "
                + $"allowed are multiples of 512 inside the data area of {_dataSize} bytes."),
            _ => new PCacheBackingMismatchException(
                BackingMismatchReason.TooShort,
                string.Create(CultureInfo.InvariantCulture,
                    $"The cache holds bytes {key.Offset}..{key.End - 1}, but the backing has only {_backingLength}. It "
                    + $"isn't the backing of this cache, or it has been cut: attach the right one."))
            {
                ExpectedLength = (long)key.End - (MediaConstants.SectorSize - 1),
                ActualLength = _backingLength,
            },
        };

    /// <summary>The last partial sector counts as whole.</summary>
    private static ulong WholeSectors(long length) =>
        ((ulong)length + (MediaConstants.SectorSize - 1)) & ~(ulong)(MediaConstants.SectorSize - 1);

    private static PCacheCorruptionException Corrupt(long deviceOffset, InvariantText text) =>
        new(Structure, deviceOffset, text.Take());
}
