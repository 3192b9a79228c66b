namespace PCache.Lab.Hostile;

/// <summary>The log: its ksets and keys, and where it ends.</summary>
internal ref partial struct ModelReader
{
    /// <summary>What stands at a place of a data area: a whole kset, zeros, or neither. Number and fields aren't looked at.</summary>
    private readonly ModelEnd Look(int segment, int offset, out ModelKset kset)
    {
        long at = Place(segment, offset);
        kset = new ModelKset { At = at, Segment = segment, Offset = offset };
        ReadOnlySpan<byte> head = _image.Slice((int)at, HeadBytes);
        if (U64(at + 8) != 0x676894A64E164F1A)
        {
            return head.ContainsAnyExcept((byte)0) ? ModelEnd.Torn : ModelEnd.Zeros;
        }

        uint count = U32(at + 4);
        ulong flags = U64(at + 16);
        kset.IsLink = (flags & 1) != 0;
        kset.Number = (uint)(flags >> 32);
        kset.Continues = kset.Number != 0 && (flags & 4) != 0;
        kset.GoesOn = kset.Number != 0 && (flags & 8) != 0;
        if (kset.IsLink)
        {
            kset.Target = count;
        }
        else if (count is 0 or > 128 || HeadBytes + ((int)count * KeyBytes) > _result.AreaBytes - offset)
        {
            return ModelEnd.Torn;
        }

        kset.Keys = kset.IsLink ? 0 : (int)count;
        return U32(at) == Sum(_image.Slice((int)at + 4, kset.Bytes - 4)) ? ModelEnd.None : ModelEnd.Torn;
    }

    private readonly void ReadLog()
    {
        ModelImage r = _result;
        int chain = r.Chain.Count;
        bool[] isLog = new bool[chain];
        int[] live = new int[chain];
        (int Segment, int Offset) at = r.KeyTail;
        isLog[at.Segment] = true;
        bool dirty = false;
        bool goesOn = false;
        uint last = 0;
        while (true)
        {
            dirty |= at == r.DirtyTail;
            r.Head = at;
            r.End = Look(at.Segment, at.Offset, out ModelKset kset);
            if (r.End == ModelEnd.None && kset.Number != 0 && last != 0 && kset.Number != After(last))
            {
                r.End = ModelEnd.Leftover;
            }

            if (r.End != ModelEnd.None)
            {
                break;
            }

            last = kset.Number != 0 ? kset.Number : last;
            goesOn = kset.GoesOn;
            r.Ksets.Add(kset);
            if (kset.IsLink)
            {
                if (kset.Target >= chain || isLog[kset.Target] || live[kset.Target] > 0)
                {
                    Damaged("link");
                    return;
                }

                at = ((int)kset.Target, 0);
                isLog[at.Segment] = true;
            }
            else
            {
                at.Offset += kset.Bytes;
                if (at.Offset > r.AreaBytes - HeadBytes)
                {
                    Damaged("kset without room for a link");
                    return;
                }

                TakeLength(in kset, dirty);
                for (int i = 0; i < kset.Keys; i++)
                {
                    if (!TakeKey(kset.At + HeadBytes + (i * KeyBytes), dirty, isLog, live))
                    {
                        return;
                    }
                }
            }
        }

        r.LastNumber = last;
        if (HidesMore(at, last, isLog, live))
        {
            Damaged("a later kset behind the end");
        }
        else if (goesOn)
        {
            Damaged("a batch without its end");
        }
        else if (!dirty)
        {
            Damaged("dirty tail not met");
        }
    }

    private static uint After(uint number) => number == uint.MaxValue ? 1 : number + 1;

    /// <summary>Null: a key that a sound log may hold; else what is wrong.</summary>
    private readonly string? Judge(in ModelKey key, ulong end)
    {
        if ((key.Flags & 1) != 0 || key.Bytes is 0 or > StripeBytes || key.Bytes % 512 != 0 || key.Offset % 512 != 0
            || key.Offset > long.MaxValue - StripeBytes || (key.Offset % StripeBytes) + key.Bytes > StripeBytes)
        {
            return "range";
        }

        if (key.Segment >= _result.Chain.Count || key.Generation > _result.Generations[(int)key.Segment])
        {
            return "segment or generation";
        }

        bool live = key.Generation == _result.Generations[(int)key.Segment];
        if (live && (key.SegmentOffset % 512 != 0 || (long)key.SegmentOffset + key.Bytes > _result.AreaBytes))
        {
            return "payload";
        }

        return key.Offset + key.Bytes > end ? "beyond the backing" : null;
    }

    private readonly ModelKey KeyAt(long at) => new()
    {
        Offset = U64(at),
        Bytes = U32(at + 8),
        Flags = U32(at + 12),
        Segment = U32(at + 16),
        SegmentOffset = U32(at + 20),
        Generation = U64(at + 24),
        Crc = U32(at + 32),
    };

    private readonly ulong DeviceEnd => ((ulong)Math.Max(_backingBytes, _result.LengthTold) + 511) / 512 * 512;

    /// <summary>Flag 16: the flags and the first key's last four bytes tell how long the device is.</summary>
    private readonly void TakeLength(in ModelKset kset, bool dirty)
    {
        ulong flags = U64(kset.At + 16);
        if (kset.Number == 0 || (flags & 16) == 0)
        {
            return;
        }

        long told = ((long)((flags >> 5) & 0x7FFFFFF) << 32) | U32(kset.At + HeadBytes + 36);
        _result.LengthTold = Math.Max(_result.LengthTold, told);
        _result.LengthInLog = dirty ? Math.Max(_result.LengthInLog, told) : _result.LengthInLog;
    }

    private readonly bool TakeKey(long place, bool dirty, bool[] isLog, int[] live)
    {
        ModelKey key = KeyAt(place);
        if (Judge(in key, DeviceEnd) is string wrong)
        {
            return wrong == "beyond the backing" ? Refuse(ModelVerdict.WrongBacking, wrong) : Damaged("key: " + wrong);
        }

        bool clean = (key.Flags & 2) != 0;
        if (key.Generation < _result.Generations[(int)key.Segment])
        {
            _result.DeadKeys++;
            _result.LostKeys += dirty && !clean ? 1 : 0;
            _result.Map.Remove(key.Offset / 512, key.Bytes / 512);
            return true;
        }

        if (isLog[key.Segment])
        {
            return Damaged("payload in the log");
        }

        live[key.Segment]++;
        key.Dirty = dirty && !clean;
        key.PayloadAt = Place((int)key.Segment, (int)key.SegmentOffset);
        key.Fits = !_result.PayloadSums || Sum(_image.Slice((int)key.PayloadAt, (int)key.Bytes)) == key.Crc;
        _result.Map.Put(key.Offset / 512, key.Bytes / 512, _result.LiveKeys.Count);
        _result.LiveKeys.Add(key);
        return true;
    }

    /// <summary>"Where the log ends": whether a later kset of this log proves that something was destroyed.</summary>
    private readonly bool HidesMore((int Segment, int Offset) end, uint last, bool[] isLog, int[] live)
    {
        bool onlyLive = false;
        if (last == 0)
        {
            if (_result.Ksets.Count > 0)
            {
                return false;
            }

            bool? numbered = NumberBefore(end);
            if (numbered == false || (numbered is null && end == (0, 0) && _result.End == ModelEnd.Zeros))
            {
                return false;
            }

            onlyLive = numbered is null;
        }

        for (int at = end.Offset + HeadBytes + KeyBytes; at <= _result.AreaBytes - HeadBytes; at += 8)
        {
            if (U64(Place(end.Segment, at) + 8) != 0x676894A64E164F1A)
            {
                at = NextMagic(end.Segment, at);
                if (at < 0)
                {
                    break;
                }
            }

            if (Look(end.Segment, at, out ModelKset kset) == ModelEnd.None && kset.Number != 0 && !kset.Continues
                && (last == 0 || Later(After(last), kset.Number) <= (uint)((at - end.Offset) / (HeadBytes + KeyBytes)))
                && (!onlyLive || HasLiveKey(in kset)))
            {
                return true;
            }
        }

        for (int i = 0; i < isLog.Length && last != 0; i++)
        {
            if (!isLog[i] && live[i] == 0 && Look(i, 0, out ModelKset kset) == ModelEnd.None && kset.Number != 0
                && !kset.Continues && Later(After(last), kset.Number) is >= 1 and <= 64)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>The next place, a multiple of 8, where a kset's magic stands; -1: none.</summary>
    private readonly int NextMagic(int segment, int from)
    {
        ReadOnlySpan<byte> area = _image.Slice((int)Place(segment, 0), _result.AreaBytes);
        ReadOnlySpan<byte> magic = [0x1A, 0x4F, 0x16, 0x4E, 0xA6, 0x94, 0x68, 0x67];
        for (int at = from + 8; at < area.Length;)
        {
            int hit = area[at..].IndexOf(magic);
            if (hit < 0)
            {
                return -1;
            }

            at += hit;
            if (at % 8 == 0)
            {
                return at - 8 <= area.Length - HeadBytes ? at - 8 : -1;
            }

            at++;
        }

        return -1;
    }

    /// <summary>How many numbers <paramref name="to"/> is later, going round and skipping 0.</summary>
    private static uint Later(uint from, uint to) => to >= from ? to - from : to - from - 1;

    /// <summary>Whether the kset that ends just at a position has a number; null: there is none.</summary>
    private readonly bool? NumberBefore((int Segment, int Offset) end)
    {
        bool? numbered = null;
        int at = 0;
        while (at < end.Offset)
        {
            if (Look(end.Segment, at, out ModelKset kset) != ModelEnd.None || kset.IsLink)
            {
                return null;
            }

            numbered = kset.Number != 0;
            at += kset.Bytes;
        }

        return at == end.Offset ? numbered : null;
    }

    private readonly bool HasLiveKey(in ModelKset kset)
    {
        for (int i = 0; i < kset.Keys; i++)
        {
            ModelKey key = KeyAt(kset.At + HeadBytes + (i * KeyBytes));
            if (Judge(in key, DeviceEnd) is null && key.Generation == _result.Generations[(int)key.Segment])
            {
                return true;
            }
        }

        return false;
    }
}
