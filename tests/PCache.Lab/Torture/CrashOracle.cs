using PCache.Core;

namespace PCache.Lab.Torture;

/// <summary>
/// What each sector of the device may hold. Keeps true: a sector's versions are those that a crash now may leave, the last one is what a read returns;
/// null stands for "anything" (discarded). Writes are entered before they are made, flushes after they have returned: so that it also holds in the middle of a call.
/// </summary>
internal sealed partial class CrashOracle
{
    private const int SectorBytes = SectorStamps.SectorBytes;
    private static readonly byte[] Zeros = new byte[SectorBytes];

    private readonly Universe _universe;
    private readonly List<byte[]?>[] _versions;
    private readonly int[] _floors; // the first of a slot's versions that a kill may leave
    private readonly HashSet<int> _open = [];
    private long _killLength; // the least length that a kill may leave
    private readonly HashSet<long> _failedLengths = [];
    private readonly Stack<byte[]> _buffers = new(); // a check may run in the middle of another one's read

    public CrashOracle(Universe universe, long length)
    {
        _universe = universe;
        Length = length;
        LegalLengths = [length];
        History = new BarrierHistory(universe);
        Operations = new BarrierHistory(universe);
        _versions = new List<byte[]?>[universe.Slots];
        _spans = new List<WriteSpan>[universe.Slots];
        _floors = new int[universe.Slots];
        for (int i = 0; i < _versions.Length; i++)
        {
            Reset(i, Zeros);
        }
    }

    /// <summary>What the backing may hold.</summary>
    public BarrierHistory History { get; }

    /// <summary>The same with a barrier behind each operation: what was there between two of them.</summary>
    public BarrierHistory Operations { get; }

    /// <summary>Length of the device.</summary>
    public long Length { get; private set; }

    /// <summary>The lengths that a crash now may leave.</summary>
    public HashSet<long> LegalLengths { get; private set; }

    /// <summary>The sectors of a write that has begun and not returned; a flush inside it doesn't cover it.</summary>
    public (long Offset, long LengthBytes) InProgress { get; set; }

    /// <summary>Enters a write, which is running from now on.</summary>
    public void Write(long offset, ReadOnlySpan<byte> bytes) => Write(offset, bytes, Begin());

    private void Write(long offset, ReadOnlySpan<byte> bytes, WriteSpan span)
    {
        BeginOperation();
        if (offset + bytes.Length > Length)
        {
            long end = offset + bytes.Length;
            _ = _failedLengths.RemoveWhere(failed => failed <= end);
            Length = offset + bytes.Length;
            _ = LegalLengths.Add(Length);
        }

        for (long sector = offset / SectorBytes; sector * SectorBytes < offset + bytes.Length; sector++)
        {
            if (_universe.SlotOf(sector) is not (>= 0 and int slot))
            {
                continue;
            }

            long from = Math.Max(offset, sector * SectorBytes);
            long to = Math.Min(offset + bytes.Length, (sector + 1) * SectorBytes);
            byte[]? next = to - from == SectorBytes ? new byte[SectorBytes] : (byte[]?)_versions[slot][^1]?.Clone();
            if (next is not null)
            {
                bytes[(int)(from - offset)..(int)(to - offset)].CopyTo(next.AsSpan((int)(from - (sector * SectorBytes))));
            }

            Add(slot, next, span);
        }
    }

    /// <summary>A write has returned in whose middle another one was made, over whole sectors of its: either is the later one. Asks the device which.</summary>
    public void Overtaken(IBlockDevice device, long offset, ReadOnlySpan<byte> bytes)
    {
        Write(offset, bytes, _running.Peek());
        long end = offset + bytes.Length;
        ReadAll(device, (slot, found) =>
        {
            long at = _universe.SectorOf(slot) * SectorBytes;
            if (at >= end || at + SectorBytes <= offset || Fits(_versions[slot][^1], found))
            {
                return;
            }

            if (!Fits(_versions[slot][^2], found))
            {
                throw Wrong("the device, after two writes at a time,", slot, found, _versions[slot][^2..]);
            }

            Add(slot, _versions[slot][^2], _spans[slot][^2]);
        });
    }

    /// <summary>Enters a discard of whole sectors.</summary>
    public void Discard(long offset, long lengthBytes)
    {
        WriteSpan span = Begin();
        BeginOperation();
        for (long sector = offset / SectorBytes; sector * SectorBytes < Math.Min(offset + lengthBytes, Length); sector++)
        {
            if (_universe.SlotOf(sector) is >= 0 and int slot)
            {
                Add(slot, null, span);
            }
        }
    }

    /// <summary>Enters a change of length.</summary>
    public void SetLength(long length)
    {
        if (length < Length)
        {
            History.Limit = Operations.Limit = length;
            for (int slot = 0; slot < _versions.Length; slot++)
            {
                long at = _universe.SectorOf(slot) * SectorBytes;
                if (at + SectorBytes > length)
                {
                    byte[]? next = at >= length ? Zeros : (byte[]?)_versions[slot][^1]?.Clone();
                    if (at < length)
                    {
                        next?.AsSpan((int)(length - at)).Clear();
                    }

                    Append(slot, next, WriteSpan.Always);
                    _ = _open.Add(slot);
                }
            }
        }

        Length = length;
        _killLength = Math.Min(_killLength, length);
        _ = LegalLengths.Add(length);
    }

    /// <summary>A truncation has returned: nothing beyond it can come back, and the backing has everything.</summary>
    public void TruncationReturned(IBlockDevice backing)
    {
        LegalLengths = [Length];
        _failedLengths.Clear();
        for (int slot = 0; slot < _versions.Length; slot++)
        {
            if ((_universe.SectorOf(slot) + 1) * SectorBytes > Length)
            {
                KeepLast(slot);
            }
        }

        History.Limit = Operations.Limit = long.MaxValue;
        CheckDrained(backing);
    }

    /// <summary>A flush has returned.</summary>
    public void Flushed()
    {
        if (InProgress.LengthBytes == 0 || InProgress.Offset + InProgress.LengthBytes < Length)
        {
            LegalLengths = [Length, .. _failedLengths]; // no write in progress has made it
        }

        foreach (int slot in _open)
        {
            KeepLast(slot);
        }

        _open.RemoveWhere(slot => _versions[slot].Count == 1);
        History.Barrier(slot => IsInProgress(slot) ? _versions[slot][^1] : BarrierHistory.Nothing);
    }

    /// <summary>An FUA write has returned.</summary>
    public void Forced(long offset, long lengthBytes)
    {
        if (offset + lengthBytes == Length)
        {
            LegalLengths = [Length, .. _failedLengths];
        }

        for (long sector = offset / SectorBytes; sector * SectorBytes < offset + lengthBytes; sector++)
        {
            if (_universe.SlotOf(sector) is >= 0 and int slot)
            {
                KeepLast(slot);
            }
        }

        History.Barrier(slot => IsInProgress(slot) ? _versions[slot][^1] : BarrierHistory.Nothing);
    }

    /// <summary>A write has returned on a device whose writes survive the process: a kill leaves it, or what was written over it since. A power cut may leave as much as before.</summary>
    public void Persisted(long offset, long lengthBytes)
    {
        if (offset + lengthBytes == Length)
        {
            _killLength = Length;
        }

        for (long sector = offset / SectorBytes; sector * SectorBytes < offset + lengthBytes; sector++)
        {
            if (_universe.SlotOf(sector) is >= 0 and int slot && !IsInProgress(slot))
            {
                _floors[slot] = _versions[slot].Count - 1;
            }
        }
    }

    /// <summary>Goes on from what a crash has left on the device.</summary>
    /// <param name="device">The device.</param>
    /// <param name="killed">Whether it was a kill.</param>
    public void Adopt(IBlockDevice device, bool killed)
    {
        CheckLegal(device, killed: killed);
        _killLength = 0;
        Array.Clear(_floors);
        Length = device.Length;
        LegalLengths = [Length];
        _failedLengths.Clear();
        InProgress = default;
        Abandon(0);
        ReadAll(device, (slot, found) =>
        {
            byte[] whole = new byte[SectorBytes];
            found.CopyTo(whole);
            byte[]? now = _versions[slot].Contains(null) ? null : whole;
            if (_versions[slot].Count > 1)
            {
                Operations.Write(slot, now);
                History.Write(slot, now); // of the writes that weren't flushed, this is what is left
            }

            Reset(slot, now);
        });
        for (int slot = 0; slot < _versions.Length; slot++)
        {
            if (_universe.SectorOf(slot) * SectorBytes >= Length)
            {
                Reset(slot, Zeros);
                History.Restart(slot, Zeros);
                Operations.Restart(slot, Zeros);
            }
        }

        _open.Clear();
        History.Barrier(_ => BarrierHistory.Nothing);
        Operations.Barrier(_ => BarrierHistory.Nothing);
    }

    /// <summary>After a reopen in good order: a growth that had failed may show.</summary>
    public void AdoptLength(long length)
    {
        if (_failedLengths.Contains(length))
        {
            Length = length;
            LegalLengths = [length];
            _failedLengths.Clear();
        }
    }

    /// <summary>A write has failed: each of its sectors has either version. Asks the device which.</summary>
    public void Settle(IBlockDevice device)
    {
        _killLength = Math.Min(_killLength, device.Length);
        if (device.Length != Length)
        {
            _ = _failedLengths.Add(Length); // the growth may have reached the backing for all that: then a reopen shows it
        }

        Length = device.Length;
        _ = LegalLengths.Add(Length);
        ReadAll(device, (slot, found) =>
        {
            List<byte[]?> versions = _versions[slot];
            int at = versions.FindLastIndex(version => version is not null);
            while (at >= 0 && !(versions[at] is { } version && Fits(version, found)))
            {
                at--;
            }

            if (at < 0 && !versions.Contains(null))
            {
                throw Wrong("the device, after a failed write,", slot, found, versions);
            }

            if (versions[^1] is not null && at != versions.Count - 1)
            {
                int same = at < versions.LastIndexOf(null) ? versions.LastIndexOf(null) : at; // what was discarded since stays undefined
                Append(slot, versions[same], new WriteSpan { Begin = _spans[slot][same].Begin });
                History.Write(slot, versions[^1]);
                Operations.Write(slot, versions[^1]);
            }
        });
        for (int slot = 0; slot < _versions.Length; slot++)
        {
            // The write may have been to make the device longer, and hasn't: what it would have held there is zeros when it grows.
            long at = _universe.SectorOf(slot) * SectorBytes;
            if (at + SectorBytes > Length && _versions[slot][^1] is { } last && last.AsSpan((int)Math.Max(0, Length - at)).ContainsAnyExcept((byte)0))
            {
                byte[] cut = (byte[])last.Clone();
                cut.AsSpan((int)Math.Max(0, Length - at)).Clear();
                Add(slot, cut, WriteSpan.Always);
            }
        }
    }

    private void Add(int slot, byte[]? version, WriteSpan span)
    {
        Append(slot, version, span);
        _ = _open.Add(slot);
        History.Write(slot, version);
        Operations.Write(slot, version);
    }

    private void BeginOperation() => Operations.Barrier(slot => IsInProgress(slot) ? _versions[slot][^1] : BarrierHistory.Nothing);

    private bool IsInProgress(int slot)
    {
        long at = _universe.SectorOf(slot) * SectorBytes;
        return at + SectorBytes > InProgress.Offset && at < InProgress.Offset + InProgress.LengthBytes;
    }

    private void KeepLast(int slot)
    {
        List<byte[]?> versions = _versions[slot];
        int keep = IsInProgress(slot) ? Math.Min(2, versions.Count) : 1;
        _floors[slot] = Math.Max(0, _floors[slot] - (versions.Count - keep));
        _spans[slot].RemoveRange(0, versions.Count - keep);
        versions.RemoveRange(0, versions.Count - keep);
    }
}
