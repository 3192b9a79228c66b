using PCache.Core;

namespace PCache.Lab.Hostile;

/// <summary>What is known of a sector's content.</summary>
internal enum SectorState : byte
{
    /// <summary>A read gives exactly this.</summary>
    Known,

    /// <summary>A read is refused: the only copy doesn't fit its checksum.</summary>
    Damaged,

    /// <summary>Anything goes: discarded, or a write of it failed halfway.</summary>
    Unknown,
}

/// <summary>
/// What a device has to hold, sector by sector, over a universe of sectors. Keeps true: it follows from the model's
/// reading of the image, and later from the operations alone, never from what the device returned.
/// </summary>
internal sealed class ImageOracle
{
    private const int Sector = 512;

    private readonly SectorUniverse _universe;
    private readonly byte[] _content;
    private readonly SectorState[] _states;

    private ImageOracle(SectorUniverse universe)
    {
        _universe = universe;
        _content = new byte[universe.Count * Sector];
        _states = new SectorState[universe.Count];
    }

    public bool AnyDamaged => _states.AsSpan().Contains(SectorState.Damaged);

    /// <summary>What the model says that a reader of an image gets.</summary>
    public static ImageOracle Of(SectorUniverse universe, ModelImage model, ReadOnlySpan<byte> image,
        HostileBacking backing)
    {
        var oracle = new ImageOracle(universe);
        foreach ((long first, int count, int index) in universe.Windows)
        {
            backing.Read(first * Sector, oracle._content.AsSpan(index * Sector, count * Sector));
            for (int i = 0; i < count; i++)
            {
                if (model.Map[(ulong)(first + i)] is not int shown)
                {
                    continue;
                }

                ModelKey key = model.LiveKeys[shown];
                if (key.Fits)
                {
                    long at = key.PayloadAt + ((first + i) * Sector) - (long)key.Offset;
                    image.Slice((int)at, Sector).CopyTo(oracle._content.AsSpan((index + i) * Sector));
                }
                else if (key.Dirty)
                {
                    oracle._states[index + i] = SectorState.Damaged;
                }
            }
        }

        return oracle;
    }

    /// <summary>
    /// Before work with an image: forgets what can't be relied on. Where a key counts as clean but the backing holds
    /// something else, or will for a while (a forged tail or flag says so, or a lost write covers older ones), a read
    /// may give either, depending on when the key leaves the cache.
    /// </summary>
    public void ForgetInconsistent(ModelImage model, HostileBacking backing)
    {
        var writtenBack = new SectorMap();
        for (int i = 0; i < model.LiveKeys.Count; i++)
        {
            ModelKey key = model.LiveKeys[i];
            if (key.Dirty)
            {
                writtenBack.Put(key.Offset / Sector, key.Bytes / Sector, i);
            }
        }

        Span<byte> later = stackalloc byte[Sector];
        foreach ((long first, int count, int index) in _universe.Windows)
        {
            for (int i = 0; i < count; i++)
            {
                int? shown = model.Map[(ulong)(first + i)];
                int? last = writtenBack[(ulong)(first + i)];
                if (shown == last && shown is not null)
                {
                    continue;
                }

                // With dirty keys below, the backing goes through all their versions.
                int length = backing.Read((first + i) * Sector, later);
                if (last is not null || !later[..length].SequenceEqual(_content.AsSpan((index + i) * Sector, length)))
                {
                    _states[index + i] = SectorState.Unknown;
                }
            }
        }
    }

    /// <summary>Where both know the content: the first difference, or null.</summary>
    public string? DifferenceTo(ImageOracle other)
    {
        for (int i = 0; i < _states.Length; i++)
        {
            if (_states[i] != other._states[i]
                || !_content.AsSpan(i * Sector, Sector).SequenceEqual(other._content.AsSpan(i * Sector, Sector)))
            {
                return $"sector {i} of the universe";
            }
        }

        return null;
    }

    /// <summary>Reads everything from a device; what is wrong, or null.</summary>
    public string? Compare(PCacheDevice device, bool damageMayBeGone = false)
    {
        byte[] buffer = new byte[_content.Length];
        foreach ((long first, int count, int index) in _universe.Windows)
        {
            for (int from = 0; from < count;)
            {
                SectorState state = _states[index + from];
                int to = from + 1;
                while (to < count && _states[index + to] == state)
                {
                    to++;
                }

                if (CompareRun(device, first + from, index
                    + from, to - from, state, buffer, damageMayBeGone) is string wrong)
                {
                    return wrong;
                }

                from = to;
            }
        }

        return null;
    }

    /// <summary>Compares one range, at any offset; what is wrong, or null.</summary>
    public string? CompareRange(PCacheDevice device, int window, int at, int length)
    {
        (long first, int count, int index) = _universe.Windows[window];
        length = Math.Min(length, (count * Sector) - at);
        for (int s = at / Sector; s <= (at + length - 1) / Sector; s++)
        {
            if (_states[index + s] != SectorState.Known)
            {
                return null;
            }
        }

        byte[] buffer = new byte[length];
        int read = device.Read((first * Sector) + at, buffer);
        return buffer.AsSpan(0, read).SequenceEqual(_content.AsSpan((index * Sector) + at, read)) ? null
            : $"wrong data in {length} bytes at {(first * Sector) + at}";
    }

    /// <summary>What the backing alone has to hold once all is written back; what is wrong, or null.</summary>
    public string? CompareBacking(HostileBacking backing)
    {
        byte[] buffer = new byte[Sector];
        foreach ((long first, int count, int index) in _universe.Windows)
        {
            for (int i = 0; i < count; i++)
            {
                int read = backing.Read((first + i) * Sector, buffer);
                if (_states[index + i] == SectorState.Known
                    && !buffer.AsSpan(0, read).SequenceEqual(_content.AsSpan((index + i) * Sector, read)))
                {
                    return $"the drained backing is wrong at {(first + i) * Sector}";
                }
            }
        }

        return null;
    }

    /// <summary>Notes a write; <paramref name="failed"/>: one that may have been done in part.</summary>
    public void Write(int window, int at, ReadOnlySpan<byte> data, bool failed)
    {
        (_, _, int index) = _universe.Windows[window];
        int begin = (index * Sector) + at;
        int end = begin + data.Length;
        for (int s = begin / Sector; s <= (end - 1) / Sector; s++)
        {
            bool whole = begin <= s * Sector && end >= (s + 1) * Sector;
            if (failed)
            {
                _states[s] = SectorState.Unknown;
            }
            else if (whole)
            {
                _states[s] = SectorState.Known;
            }
        }

        if (!failed)
        {
            data.CopyTo(_content.AsSpan(begin));
        }
    }

    private string? CompareRun(PCacheDevice device, long sector, int index, int count, SectorState state,
        byte[] buffer, bool damageMayBeGone)
    {
        Span<byte> target = buffer.AsSpan(0, count * Sector);
        if (state == SectorState.Unknown)
        {
            return null;
        }

        try
        {
            int read = device.Read(sector * Sector, target);
            if (read != Math.Min(target.Length, device.Length - (sector * Sector)))
            {
                return $"a read of {target.Length} bytes at sector {sector} gave {read}";
            }

            if (state == SectorState.Damaged)
            {
                return damageMayBeGone ? null : $"sectors {sector}..{sector + count - 1} are damaged and were read";
            }

            int same = target[..read].CommonPrefixLength(_content.AsSpan(index * Sector, read));
            return same == read ? null : $"wrong data at {(sector * Sector) + same}";
        }
        catch (PCacheDamagedDataException e)
        {
            return state == SectorState.Damaged ? null
                : $"sectors {sector}..{sector + count - 1} are sound and were refused: {e.Message}";
        }
    }
}
