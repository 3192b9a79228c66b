using PCache.Core.Ksets;
using PCache.Core.Layout;

namespace PCache.Core.Tests.Support;

/// <summary>Counts what a replay reports.</summary>
internal sealed class CountingSink : IReplaySink
{
    public long Ksets { get; private set; }

    public long Live { get; private set; }

    public long Dead { get; private set; }

    public List<(LogPosition Position, bool AtOrAfterDirtyTail)> Positions { get; } = [];

    public void OnKset(LogPosition position, in KsetHeader header, bool atOrAfterDirtyTail)
    {
        Ksets++;
        Positions.Add((position, atOrAfterDirtyTail));
    }

    public void OnKey(in CacheKey key, KeyState state, bool atOrAfterDirtyTail)
    {
        if (state == KeyState.Live)
        {
            Live++;
        }
        else
        {
            Dead++;
        }
    }
}
