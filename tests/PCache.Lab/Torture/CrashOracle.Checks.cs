using PCache.Core;

namespace PCache.Lab.Torture;

/// <summary>What is demanded of devices. Keeps true: nothing is changed but what a check says it changes; what is wrong is told with the sector, what it holds and what it may hold.</summary>
internal sealed partial class CrashOracle
{
    /// <summary>A drain has returned, and nothing was written meanwhile: the backing has everything, durably.</summary>
    public void CheckDrained(IBlockDevice backing)
    {
        ReadAll(backing, (slot, found) =>
        {
            byte[]? expected = _versions[slot][^1];
            if (!Fits(expected, found))
            {
                throw Wrong("the drained backing", slot, found, [expected]);
            }
        });
        History.Restart(slot => _versions[slot][^1]);
        Operations.Restart(slot => _versions[slot][^1]);
    }

    /// <summary>The device shows the newest content: nothing older, nothing else.</summary>
    public void CheckCurrent(IBlockDevice device)
    {
        if (device.Length != Length)
        {
            throw new TortureViolation($"The device has {device.Length} bytes, not {Length}.");
        }

        ReadAll(device, (slot, found) =>
        {
            if (!Fits(_versions[slot][^1], found))
            {
                throw Wrong("the device", slot, found, [_versions[slot][^1]]);
            }
        });
    }

    /// <summary>The device holds what a crash may have left.</summary>
    /// <param name="device">The device.</param>
    /// <param name="keep">Receives what it holds, slot by slot, for <see cref="CheckSame"/>; or empty.</param>
    /// <param name="killed">Whether the crash was a kill of the process and nothing more: then what survives the process has to be there.</param>
    public void CheckLegal(IBlockDevice device, Span<byte> keep = default, bool killed = false)
    {
        if (killed && device.Length < _killLength)
        {
            throw new TortureViolation($"After a kill the device has {device.Length} bytes; a write that returned had made it {_killLength} long.");
        }

        if (!LegalLengths.Contains(device.Length))
        {
            throw new TortureViolation($"The device has {device.Length} bytes; legal: {string.Join(", ", LegalLengths)}.");
        }

        byte[]? kept = keep.IsEmpty ? null : new byte[keep.Length];
        List<(long From, long To)> moments = [(0, long.MaxValue)];
        ReadAll(device, (slot, found) =>
        {
            if (kept is not null)
            {
                found.CopyTo(kept.AsSpan(slot * SectorBytes));
            }

            IEnumerable<byte[]?> legal = killed ? _versions[slot].Skip(_floors[slot]) : _versions[slot];
            foreach (byte[]? version in legal)
            {
                if (Fits(version, found))
                {
                    Narrow(moments, slot, found, killed ? _floors[slot] : 0);
                    return;
                }
            }

            throw Wrong("the device", slot, found, legal);
        });
        kept?.CopyTo(keep);
    }

    /// <summary>Each sector by itself shows its newest content; where its read fails, the caller decides whether it may.</summary>
    /// <param name="device">The device.</param>
    /// <param name="skip">Sectors that aren't looked at.</param>
    /// <param name="mayFail">Whether a sector may be unreadable.</param>
    public void CheckEach(IBlockDevice device, Func<long, bool> skip, Func<long, IOException, bool> mayFail)
    {
        Span<byte> found = stackalloc byte[SectorBytes];
        for (int slot = 0; slot < _versions.Length; slot++)
        {
            long sector = _universe.SectorOf(slot);
            int count = (int)Math.Clamp(device.Length - (sector * SectorBytes), 0, SectorBytes);
            if (count == 0 || skip(sector))
            {
                continue;
            }

            try
            {
                _ = device.Read(sector * SectorBytes, found[..count]);
            }
            catch (IOException e) when (mayFail(sector, e))
            {
                continue;
            }

            if (!Fits(_versions[slot][^1], found[..count]))
            {
                throw Wrong("the device", slot, found[..count], [_versions[slot][^1]]);
            }
        }
    }

    /// <summary>The device still shows what <see cref="CheckLegal"/> found, where that is defined.</summary>
    public void CheckSame(IBlockDevice device, byte[] before, string when)
    {
        ReadAll(device, (slot, found) =>
        {
            byte[] expected = before.AsSpan(slot * SectorBytes, SectorBytes).ToArray();
            if (!_versions[slot].Contains(null) && !Fits(expected, found))
            {
                throw Wrong($"the device, {when},", slot, found, [expected]);
            }
        });
    }

    private static bool Fits(byte[]? version, ReadOnlySpan<byte> found) => version is null || found.SequenceEqual(version.AsSpan(0, found.Length));

    private delegate void SectorAction(int slot, ReadOnlySpan<byte> found);

    /// <summary>Reads all sectors inside the device into the buffer, area by area.</summary>
    private void ReadAll(IBlockDevice device, SectorAction action)
    {
        long length = device.Length;
        byte[] buffer = _buffers.TryPop(out byte[]? free) ? free : new byte[_universe.Slots * SectorBytes];
        for (int i = 0; i < _universe.Areas; i++)
        {
            (long first, int count, int firstSlot) = _universe.Area(i);
            int wanted = (int)Math.Clamp(length - (first * SectorBytes), 0, count * (long)SectorBytes);
            if (wanted == 0)
            {
                continue;
            }

            Span<byte> area = buffer.AsSpan(firstSlot * SectorBytes, count * SectorBytes);
            int read = device.Read(first * SectorBytes, area[..wanted]);
            if (read != wanted)
            {
                throw new TortureViolation($"A read of {wanted} bytes at {first * SectorBytes} yielded {read}.");
            }

            for (int j = 0; j * SectorBytes < wanted; j++)
            {
                action(firstSlot + j, area[(j * SectorBytes)..Math.Min((j + 1) * SectorBytes, wanted)]);
            }
        }

        _buffers.Push(buffer);
    }

    private TortureViolation Wrong(string where, int slot, ReadOnlySpan<byte> found, IEnumerable<byte[]?> legal)
    {
        int length = found.Length;
        return new($"Sector {_universe.SectorOf(slot)} of {where} holds {SectorStamps.Describe(found)}; legal: "
            + string.Join(", or ", legal.Select(v => v is null ? "anything" : SectorStamps.Describe(v.AsSpan(0, length)))) + ".");
    }
}
