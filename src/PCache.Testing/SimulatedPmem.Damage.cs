namespace PCache.Testing;

// Media errors. Keeps true: damage hits memory and medium alike, so that no later drain undoes it; a line is readable
// again once all of it was stored anew.
public sealed unsafe partial class SimulatedPmem
{
    /// <summary>
    /// Media errors: reads of the 64-byte lines of a range fail (metadata) or show garbage (payload), until the whole
    /// line is stored anew in one call. What the lines held is lost, also what was stored and isn't durable yet.
    /// </summary>
    /// <param name="offset">First byte.</param>
    /// <param name="lengthBytes">Length in bytes; every line that it touches is poisoned.</param>
    /// <exception cref="ArgumentOutOfRangeException">The range isn't inside the region.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public void Poison(long offset, long lengthBytes)
    {
        using (_gate.Hold())
        {
            Check(offset, lengthBytes);
            if (lengthBytes == 0)
            {
                return;
            }

            _open.Forget((int)(offset / LineBytes * LineBytes / WordBytes),
                (int)(RoundUp(offset + lengthBytes, LineBytes) / WordBytes));
            for (long line = offset / LineBytes; line * LineBytes < offset + lengthBytes; line++)
            {
                _ = _poisoned.Add(line);
                int count = (int)Math.Min(LineBytes, LengthBytes - (line * LineBytes));
                new Span<byte>(_memory + (line * LineBytes), count).Fill(PoisonByte);
                new Span<byte>(_durable + (line * LineBytes), count).Fill(PoisonByte);
                _changed[line * LineBytes / PageBytes] = ++_clock;
            }
        }
    }

    /// <summary>Ends all media errors; what the lines held stays lost.</summary>
    public void Heal()
    {
        using (_gate.Hold())
        {
            _poisoned.Clear();
        }
    }

    /// <summary>Flips one bit, in memory, on the medium, and in whatever is under way to it.</summary>
    /// <param name="offset">The byte.</param>
    /// <param name="bit">The bit in it, 0 to 7.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such bit.</exception>
    /// <exception cref="ObjectDisposedException">The region is disposed.</exception>
    public void FlipBit(long offset, int bit)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bit);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bit, 7);
        using (_gate.Hold())
        {
            Check(offset, 1);
            _memory[offset] ^= (byte)(1 << bit);
            _durable[offset] ^= (byte)(1 << bit);
            _open.Flip((int)(offset / WordBytes), 1UL << (int)(((offset % WordBytes) * 8) + bit));
            _changed[offset / PageBytes] = ++_clock;
        }
    }

    private void HealStored(long offset, int lengthBytes)
    {
        for (long line = RoundUp(offset, LineBytes) / LineBytes;
            Math.Min((line + 1) * LineBytes, LengthBytes) <= offset + lengthBytes && line * LineBytes < LengthBytes;
            line++)
        {
            _ = _poisoned.Remove(line);
        }
    }
}
