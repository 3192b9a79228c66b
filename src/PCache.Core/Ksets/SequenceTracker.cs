using PCache.Core.Primitives;

namespace PCache.Core.Ksets;

/// <summary>
/// The numbers of consecutive ksets. Keeps true: the expected number is the last one seen + 1, skipping 0; a kset
/// without number is accepted and changes nothing; with none seen any number is accepted.
/// </summary>
internal struct SequenceTracker
{
    public SequenceTracker(uint last)
    {
        Last = last;
    }

    /// <summary>The last number seen; 0: none yet.</summary>
    public uint Last { get; private set; }

    public readonly bool HasSeen => Last != 0;

    /// <summary>The number of the next numbered kset; 0: any.</summary>
    public readonly uint Expected => Last == 0 ? 0 : Next(Last);

    public readonly bool Accepts(uint sequence) => sequence == 0 || Last == 0 || sequence == Next(Last);

    /// <summary>Records an accepted kset's number.</summary>
    public void Advance(uint sequence)
    {
        Invariant.Holds(Accepts(sequence), "only a number that follows is recorded");
        if (sequence != 0)
        {
            Last = sequence;
        }
    }

    /// <summary>The number after <paramref name="sequence"/>, skipping 0.</summary>
    public static uint Next(uint sequence) => sequence == uint.MaxValue ? 1 : sequence + 1;

    /// <summary>
    /// How many numbers <paramref name="to"/> is later than <paramref name="from"/>, going round; neither is 0.
    /// </summary>
    public static uint Distance(uint from, uint to) => to >= from ? to - from : to - from - 1;
}
