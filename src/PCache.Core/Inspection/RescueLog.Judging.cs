using System.Runtime.InteropServices;
using PCache.Core.Layout;

namespace PCache.Core.Inspection;

/// <summary>
/// What the keys that were found are worth. Keeps true: a key is judged once all of the log was read; a generation
/// that isn't known judges nothing.
/// </summary>
internal sealed partial class RescueLog
{
    /// <summary>
    /// Where a generation is lost, or lower than a key's, the latest that a key has is the least that it can be:
    /// older keys are dead.
    /// </summary>
    private void JudgeGenerations()
    {
        Span<RescuedKey> keys = CollectionsMarshal.AsSpan(Keys);
        ulong[] latest = [.. _generations];
        foreach (ref RescuedKey key in keys)
        {
            if (key.Verdict is KeyVerdict.Live or KeyVerdict.Unjudged)
            {
                ref ulong most = ref latest[key.Key.Segment];
                if (key.Key.Generation > most && key.Verdict == KeyVerdict.Live
                    && most == _generations[key.Key.Segment])
                {
                    _findings.Damage(
                        "generation",
                        "generation",
                        _layout.PlaceOf(new LogPosition((int)key.Key.Segment, 0)) - MediaConstants.BlockSize,
                        Text($"The generation of cache segment {key.Key.Segment} is {most}, but a key there has "
                            + $"{key.Key.Generation}, so it is too low."));
                }

                most = Math.Max(most, key.Key.Generation);
            }
        }

        foreach (ref RescuedKey key in keys)
        {
            if (key.Verdict is not (KeyVerdict.Live or KeyVerdict.Unjudged))
            {
                continue;
            }

            ulong most = latest[key.Key.Segment];
            key.Verdict = key.Key.Generation < most ? KeyVerdict.Dead
                : most != _generations[key.Key.Segment] ? KeyVerdict.Unjudged
                : key.Verdict;
        }
    }

    /// <summary>
    /// Marks what stands at or behind the dirty tail; everything, where that isn't known or wasn't met.
    /// </summary>
    private void MarkDirty()
    {
        bool dirty = _layout.DirtyTail is null;
        if (_layout.DirtyTail is LogPosition tail)
        {
            if (!_order.Contains(tail.Segment))
            {
                dirty = true;
                if (Ksets.Count > 0 || Holes.Count > 0)
                {
                    _findings.Damage(
                        "dirty-tail", "dirty tail", MediaConstants.DirtyTailOffset, Text($"It is {tail}, which the log "
                            + $"from {_layout.KeyTail} on doesn't pass. Everything in the log counts as dirty."));
                }
            }

            foreach (ref RescuedKset kset in CollectionsMarshal.AsSpan(Ksets))
            {
                dirty |= IsAtOrBehind(kset.Position.Segment, kset.EndOffset - 1, tail);
                kset.IsDirty = dirty;
            }
        }
        else
        {
            foreach (ref RescuedKset kset in CollectionsMarshal.AsSpan(Ksets))
            {
                kset.IsDirty = true;
            }
        }

        for (int i = 0; i < Holes.Count; i++)
        {
            RescueHole hole = Holes[i];
            long end = hole.LengthBytes < 0 ? long.MaxValue : hole.Position.Offset + hole.LengthBytes - 1;
            bool holeDirty = _layout.DirtyTail is not LogPosition at || !_order.Contains(at.Segment)
                || IsAtOrBehind(hole.Position.Segment, end, at);
            Holes[i] = hole with { IsDirty = holeDirty };
        }
    }

    private bool IsAtOrBehind(int segment, long lastByte, LogPosition tail) =>
        segment == tail.Segment ? lastByte >= tail.Offset : _order.IndexOf(segment) > _order.IndexOf(tail.Segment);

    /// <summary>The greatest length of the device that a kset tells; null: none does.</summary>
    public long? DeviceLength { get; private set; }

    private void TakeLength(in ScannedKset kset, ReadOnlySpan<CacheKey> keys)
    {
        if (kset.Header.HasLength && keys.Length > 0)
        {
            DeviceLength = Math.Max(DeviceLength ?? 0, kset.Header.DeviceLength(in keys[0]));
        }
    }
}
