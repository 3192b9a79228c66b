namespace PCache.Core.Inspection;

/// <summary>What becomes of a range that can't be trusted when a damaged image is read through.</summary>
public enum RescueFill
{
    /// <summary>The read ends there.</summary>
    Stop = 0,

    /// <summary>Zeros.</summary>
    Zeros = 1,

    /// <summary>What the backing has; zeros without a backing.</summary>
    Backing = 2,
}

public sealed partial class RescueImage
{
    /// <summary>
    /// Reads content as it would be seen through the cache. Where the backing has the data too (clean extents, and
    /// possibly stale or damaged ones that were written back), it is read from there if it is given.
    /// </summary>
    /// <param name="offset">First byte on the device.</param>
    /// <param name="destination">Receives the bytes.</param>
    /// <param name="backing">What lies behind the cache; null: none, zeros.</param>
    /// <param name="fill">What becomes of dirty ranges that can't be trusted.</param>
    /// <param name="includeStale">Whether possibly stale and unverifiable payload is taken as it is.</param>
    /// <param name="untrusted">Receives the dirty ranges that aren't sound, whatever was put in their place; null:
    /// not collected.</param>
    /// <returns>Bytes read; less than asked for at the end of the device, or where the read stopped at
    /// damage.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="destination"/> is longer than 0 and
    /// <paramref name="offset"/> is negative.</exception>
    /// <exception cref="IOException">The backing failed.</exception>
    public int Read(
        long offset, Span<byte> destination, IBlockDevice? backing, RescueFill fill, bool includeStale = false,
        ICollection<RescueExtent>? untrusted = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        int length = backing is null ? destination.Length
            : (int)Math.Clamp(Math.Max(backing.Length, DeviceLength ?? 0) - offset, 0, destination.Length);
        destination = destination[..length];
        int done = 0;
        int index = FindExtent(offset);
        while (done < length)
        {
            long at = offset + done;
            RescueExtent? extent =
                index < _extents.Count && _extents[index].Offset < offset + length ? _extents[index] : null;
            int gap = (int)Math.Min((extent?.Offset ?? long.MaxValue) - at, length - done);
            if (gap > 0)
            {
                ReadBacking(backing, at, destination.Slice(done, gap));
                done += gap;
                continue;
            }

            RescueExtent here = extent!.Value;
            Span<byte> part = destination.Slice(done, (int)Math.Min(here.End - at, length - done));
            if (!ReadExtent(in here, at, part, backing, fill, includeStale, untrusted))
            {
                return done;
            }

            done += part.Length;
            index++;
        }

        return done;
    }

    private bool ReadExtent(
        in RescueExtent extent, long at, Span<byte> part, IBlockDevice? backing, RescueFill fill, bool includeStale,
        ICollection<RescueExtent>? untrusted)
    {
        bool trusted = extent.State == RescueState.Sound;
        if (!extent.IsDirty && !trusted && backing is not null)
        {
            ReadBacking(backing, at, part);
            return true;
        }

        bool taken = trusted || (includeStale && extent.State != RescueState.Damaged);
        bool read = taken && TryReadPayload(in extent, at - extent.Offset, part);
        if (read && trusted)
        {
            return true;
        }

        long shift = at - extent.Offset;
        untrusted?.Add(
            extent with
            {
                Offset = at,
                LengthBytes = part.Length,
                CacheOffset = extent.CacheOffset < 0 ? -1 : extent.CacheOffset + shift,
                Place = extent.Place with { Offset = (int)(extent.Place.Offset + shift) }
            });
        if (read)
        {
            return true;
        }

        switch (fill)
        {
            case RescueFill.Zeros:
                part.Clear();
                return true;
            case RescueFill.Backing:
                ReadBacking(backing, at, part);
                return true;
            default:
                return false;
        }
    }

    private static void ReadBacking(IBlockDevice? backing, long at, Span<byte> part)
    {
        int have = 0;
        while (backing is not null && have < part.Length)
        {
            int read = backing.Read(at + have, part[have..]);
            if (read <= 0)
            {
                break;
            }

            have += read;
        }

        part[have..].Clear();
    }
}
