using PCache.Core.Tests.Support;

namespace PCache.Core.Tests.Durability;

/// <summary>
/// What each sector may hold. Keeps true: a sector's versions are those a crash now may leave, the last one is what a read returns; null stands for
/// "anything" (discarded). Writes are entered before they are made, flushes after they returned: so that it also holds in the middle of a call.
/// </summary>
internal sealed class SectorModel(long length)
{
    private const int Sector = Patterns.Sector;

    private readonly Dictionary<long, List<byte[]?>> _sectors = [];
    private readonly HashSet<long> _open = [];

    public long Length { get; private set; } = length;

    /// <summary>The lengths that a crash now may leave.</summary>
    public HashSet<long> LegalLengths { get; private set; } = [length];

    public void Write(long offset, ReadOnlySpan<byte> bytes)
    {
        if (offset + bytes.Length > Length)
        {
            Length = offset + bytes.Length;
            LegalLengths.Add(Length);
        }

        for (long sector = offset / Sector; sector * Sector < offset + bytes.Length; sector++)
        {
            long from = Math.Max(offset, sector * Sector);
            long to = Math.Min(offset + bytes.Length, (sector + 1) * Sector);
            List<byte[]?> versions = Versions(sector);
            byte[]? next = to - from == Sector ? new byte[Sector] : (byte[]?)versions[^1]?.Clone();
            if (next is not null)
            {
                bytes[(int)(from - offset)..(int)(to - offset)].CopyTo(next.AsSpan((int)(from - (sector * Sector))));
            }

            versions.Add(next);
            _open.Add(sector);
        }
    }

    public void Discard(long offset, long lengthBytes)
    {
        for (long sector = offset / Sector; sector * Sector < Math.Min(offset + lengthBytes, Length); sector++)
        {
            Versions(sector).Add(null);
            _open.Add(sector);
        }
    }

    /// <summary>Enters a cut before it is made.</summary>
    public void SetLength(long length)
    {
        if (length < Length)
        {
            foreach (long sector in _sectors.Keys.Where(s => (s + 1) * Sector > length).ToArray())
            {
                List<byte[]?> versions = _sectors[sector];
                byte[]? next = sector * Sector >= length ? new byte[Sector] : (byte[]?)versions[^1]?.Clone();
                next?.AsSpan((int)Math.Max(0, length - (sector * Sector))).Clear();
                versions.Add(next);
                _open.Add(sector);
            }
        }

        Length = length;
        LegalLengths.Add(length);
    }

    /// <summary>A cut has returned: nothing beyond it can come back.</summary>
    public void CutReturned()
    {
        LegalLengths = [Length];
        foreach (long sector in _sectors.Keys.Where(s => (s + 1) * Sector > Length))
        {
            KeepLast(sector);
        }
    }

    /// <summary>A flush has returned.</summary>
    public void Flushed()
    {
        LegalLengths = [Length];
        foreach (long sector in _open)
        {
            KeepLast(sector);
        }

        _open.Clear();
    }

    /// <summary>An FUA write has returned.</summary>
    public void Forced(long offset, long lengthBytes)
    {
        if (offset + lengthBytes == Length)
        {
            LegalLengths = [Length];
        }

        for (long sector = offset / Sector; sector * Sector < offset + lengthBytes; sector++)
        {
            KeepLast(sector);
        }
    }

    /// <summary>The device is what a read says: nothing older, nothing else.</summary>
    public void AssertCurrent(IBlockDevice device, string when)
    {
        Assert.True(Length == device.Length, $"{when}: length {device.Length}, expected {Length}");
        foreach ((long sector, byte[] found) in ReadSectors(device))
        {
            byte[]? expected = Versions(sector)[^1];
            if (expected is not null && !expected.AsSpan(0, found.Length).SequenceEqual(found))
            {
                Assert.Fail($"{when}: sector {sector} holds {Patterns.Describe(found, sector * Sector)}, expected {Patterns.Describe(expected, sector * Sector)}");
            }
        }
    }

    /// <summary>The device is what a crash may have left.</summary>
    public void AssertLegal(IBlockDevice device, string when)
    {
        Assert.True(LegalLengths.Contains(device.Length), $"{when}: length {device.Length}, legal: {string.Join(", ", LegalLengths)}");
        foreach ((long sector, byte[] found) in ReadSectors(device))
        {
            List<byte[]?> versions = Versions(sector);
            if (!versions.Exists(v => v is null || v.AsSpan(0, found.Length).SequenceEqual(found)))
            {
                Assert.Fail($"{when}: sector {sector} holds {Patterns.Describe(found, sector * Sector)}, legal: "
                    + string.Join(", ", versions.Select(v => Patterns.Describe(v, sector * Sector))));
            }
        }
    }

    /// <summary>What the device holds of all that was never discarded: it must not change by itself.</summary>
    public Dictionary<long, byte[]> ReadDefined(IBlockDevice device) =>
        ReadSectors(device).Where(s => !Versions(s.Sector).Contains(null)).ToDictionary(s => s.Sector, s => s.Bytes);

    /// <summary>Goes on from what a crash has left.</summary>
    public void Adopt(IBlockDevice device)
    {
        Length = device.Length;
        foreach ((long sector, byte[] found) in ReadSectors(device).ToArray())
        {
            byte[] whole = new byte[Sector];
            found.CopyTo(whole, 0);
            bool any = _sectors[sector].Contains(null);
            _sectors[sector] = any ? [null] : [whole];
        }

        foreach (long sector in _sectors.Keys.Where(s => s * Sector >= Length).ToArray())
        {
            _sectors[sector] = [new byte[Sector]];
        }

        Flushed();
    }

    private IEnumerable<(long Sector, byte[] Bytes)> ReadSectors(IBlockDevice device)
    {
        foreach (long sector in _sectors.Keys.Where(s => s * Sector < device.Length).Order().ToArray())
        {
            var bytes = new byte[Math.Min(Sector, device.Length - (sector * Sector))];
            int read = device.Read(sector * Sector, bytes);
            Assert.Equal(bytes.Length, read);
            yield return (sector, bytes);
        }
    }

    private void KeepLast(long sector)
    {
        List<byte[]?> versions = Versions(sector);
        versions.RemoveRange(0, versions.Count - 1);
    }

    private List<byte[]?> Versions(long sector)
    {
        if (!_sectors.TryGetValue(sector, out List<byte[]?>? versions))
        {
            _sectors[sector] = versions = [new byte[Sector]];
        }

        return versions;
    }
}
