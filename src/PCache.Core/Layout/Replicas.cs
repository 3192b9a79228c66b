using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using PCache.Core.Pmem;
using PCache.Core.Primitives;

namespace PCache.Core.Layout;

/// <summary>
/// Which replica is the latest, and its sequence: all that a writer has to know about a two-replica structure.
/// </summary>
internal struct ReplicaState
{
    /// <summary>Sequence of the latest valid replica.</summary>
    public byte Sequence;

    /// <summary>0 or 1: the latest valid replica; -1: none yet, the next write goes to 0 with sequence 1.</summary>
    public sbyte Latest;

    public static ReplicaState None => new() { Latest = -1 };
}

/// <summary>What was found of a two-replica structure.</summary>
internal enum ReplicaOutcome
{
    /// <summary>Both replicas are valid.</summary>
    Both,

    /// <summary>One replica is valid, the other is damaged, unreadable or all zero.</summary>
    One,

    /// <summary>Both are all zero: never written.</summary>
    Blank,

    /// <summary>Neither is valid, and they aren't both blank.</summary>
    None,
}

/// <summary>
/// Two-replica reading and writing. Keeps true: a write never touches the latest valid replica, so at every crash
/// point the latest or the new value is there; the sequence of what is written is the latest's + 1, wrapping; the
/// state is advanced after the write is durable, never before.
/// </summary>
internal static class Replicas
{
    /// <summary>Reads both replicas and yields the later valid one.</summary>
    public static ReplicaOutcome Read<T>(
        PmemRegion region, long offset, int stride, out T latest, out T older, out ReplicaState state)
        where T : unmanaged
    {
        if (stride != Unsafe.SizeOf<T>() || !TryReadBoth(
            region, offset, out T first, out T second, out bool blank0, out bool blank1, out bool ok0, out bool ok1))
        {
            ok0 = TryRead(region, offset, out first, out blank0);
            ok1 = TryRead(region, offset + stride, out second, out blank1);
        }

        byte seq0 = Header(ref first).Sequence;
        byte seq1 = Header(ref second).Sequence;
        state = ReplicaState.None;
        if (!ok0 && !ok1)
        {
            latest = older = default;
            return blank0 && blank1 ? ReplicaOutcome.Blank : ReplicaOutcome.None;
        }

        bool later = (sbyte)(seq1 - seq0) > 0;
        bool useSecond = ok1 && (!ok0 || later);
        latest = useSecond ? second : first;
        bool both = ok0 && ok1;
        older = both ? (useSecond ? first : second) : latest;
        state = new ReplicaState { Latest = (sbyte)(useSecond ? 1 : 0), Sequence = useSecond ? seq1 : seq0 };
        return both ? ReplicaOutcome.Both : ReplicaOutcome.One;
    }

    /// <summary>Durably writes <paramref name="value"/> over the replica that isn't the latest.</summary>
    public static void Write<T>(PmemRegion region, long offset, int stride, ref T value, ref ReplicaState state)
        where T : unmanaged
    {
        sbyte target = (sbyte)(state.Latest == 0 ? 1 : 0);
        Invariant.Holds(state.Latest is >= -1 and <= 1, $"the latest replica is {state.Latest}");
        byte sequence = (byte)(state.Sequence + 1);
        Seal(ref value, sequence);
        region.WriteDurably(offset + (target * (long)stride), MemoryMarshal.AsBytes(new Span<T>(ref value)));
        Invariant.Holds(target != state.Latest || state.Sequence == sequence, "replicas are written in turn");
        state.Latest = target;
        state.Sequence = sequence;
        CheckWritten(region, offset + (target * (long)stride), ref value);
    }

    /// <summary>What was written reads as what was meant.</summary>
    [Conditional("CHECKED")]
    private static void CheckWritten<T>(PmemRegion region, long offset, ref T value)
        where T : unmanaged
    {
        ReadOnlySpan<byte> meant = MemoryMarshal.AsBytes(new Span<T>(ref value));
        Invariant.Holds(IsValid(ref value, out _), "a replica that is written is valid");
        Invariant.Holds(region.ReadSpan(offset, meant.Length).SequenceEqual(meant),
            $"a replica of {typeof(T).Name} reads as it was written");
    }

    /// <summary>Sets sequence and checksum of a structure that is about to be written.</summary>
    public static void Seal<T>(ref T value, byte sequence)
        where T : unmanaged
    {
        ref ReplicaHeader header = ref Header(ref value);
        header.Sequence = sequence;
        header.Crc = StructureChecksum.Of(MemoryMarshal.AsBytes(new Span<T>(ref value))[4..]);
    }

    /// <summary>Reads one replica; an unreadable one counts as damaged.</summary>
    private static bool TryRead<T>(PmemRegion region, long offset, out T value, out bool blank)
        where T : unmanaged
    {
        value = default;
        blank = false;
        Span<byte> bytes = MemoryMarshal.AsBytes(new Span<T>(ref value));
        try
        {
            region.ReadMetadata(offset, bytes);
        }
        catch (IOException)
        {
            value = default;
            return false;
        }

        return IsValid(ref value, out blank);
    }

    /// <summary>
    /// Reads replicas that stand side by side by one call. False: they have to be read alone, as something among them
    /// is unreadable.
    /// </summary>
    private static bool TryReadBoth<T>(
        PmemRegion region, long offset, out T first, out T second, out bool blank0, out bool blank1, out bool ok0,
        out bool ok1)
        where T : unmanaged
    {
        Span<T> both = stackalloc T[2];
        try
        {
            region.ReadMetadata(offset, MemoryMarshal.AsBytes(both));
        }
        catch (IOException)
        {
            first = second = default;
            blank0 = blank1 = ok0 = ok1 = false;
            return false;
        }

        (first, second) = (both[0], both[1]);
        ok0 = IsValid(ref first, out blank0);
        ok1 = IsValid(ref second, out blank1);
        return true;
    }

    private static bool IsValid<T>(ref T value, out bool blank)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in value));
        blank = !bytes.ContainsAnyExcept((byte)0);
        return !blank && Header(ref value).Crc == StructureChecksum.Of(bytes[4..]);
    }

    private static ref ReplicaHeader Header<T>(ref T value)
        where T : unmanaged
        => ref Unsafe.As<T, ReplicaHeader>(ref value);
}
