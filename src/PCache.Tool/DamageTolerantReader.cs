// Keeps true: each call either yields what the device holds or lists the bytes that it had to fill in; it ends,
// because every retry is over a strictly smaller range.
using PCache.Core;

namespace PCache.Tool;

/// <summary>Reads a device around ranges whose payload is damaged.</summary>
/// <param name="device">What is read.</param>
/// <param name="substitute">Where damaged ranges are read instead; null: zeros.</param>
/// <param name="stopAtDamage">Whether to stop before the first damaged byte.</param>
internal sealed class DamageTolerantReader(IBlockDevice device, IBlockDevice? substitute, bool stopAtDamage)
{
    private readonly List<DeviceRange> _damaged = [];

    /// <summary>Damaged ranges so far, in ascending order as long as the reads are, neighbours joined.</summary>
    public IReadOnlyList<DeviceRange> Damaged => _damaged;

    /// <summary>Reads; less than the buffer's length only at the device's end or where it stopped at damage.</summary>
    public int Read(long offset, Span<byte> buffer)
    {
        int done = 0;
        while (done < buffer.Length)
        {
            long position = offset + done;
            Span<byte> rest = buffer[done..];
            try
            {
                return done + device.Read(position, rest);
            }
            catch (PCacheDamagedDataException damage) when (Overlaps(damage, position, rest.Length))
            {
                long from = Math.Max(damage.Offset, position);
                long to = Math.Min(damage.Offset + damage.LengthBytes, position + rest.Length);
                int before = (int)(from - position);
                int read = Read(position, rest[..before]);
                done += read;
                if (read < before)
                {
                    return done;
                }

                Add(from, to);
                if (stopAtDamage)
                {
                    return done;
                }

                Span<byte> hole = rest.Slice(before, (int)(to - from));
                hole.Clear();
                substitute?.Read(from, hole);
                done += hole.Length;
            }
        }

        return done;
    }

    private static bool Overlaps(PCacheDamagedDataException damage, long position, int length) =>
        damage.LengthBytes > 0 && damage.Offset < position + length && damage.Offset + damage.LengthBytes > position;

    private void Add(long from, long to)
    {
        if (_damaged.Count > 0 && _damaged[^1].End == from)
        {
            from = _damaged[^1].Offset;
            _damaged.RemoveAt(_damaged.Count - 1);
        }

        _damaged.Add(new DeviceRange(from, to - from));
    }
}
