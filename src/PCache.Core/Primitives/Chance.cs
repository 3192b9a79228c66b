namespace PCache.Core.Primitives;

/// <summary>
/// What of the machine a device's behaviour depends on: the number of cores, on which of them a thread runs, and
/// random numbers. Keeps true: with a seed nothing else does, so that a run on one thread with a clock of its own can
/// be repeated exactly, on any machine; without one it costs a null check. Thread-safe without a seed only.
/// </summary>
internal sealed class Chance
{
    /// <summary>The machine itself.</summary>
    public static readonly Chance Machine = new(null, Environment.ProcessorCount);

    private readonly Random? _random;

    private Chance(Random? random, int cores)
    {
        _random = random;
        Cores = cores;
    }

    /// <summary>Number of cores.</summary>
    public int Cores { get; }

    /// <summary>A machine made up from a seed.</summary>
    public static Chance FromSeed(int seed, int cores) => new(new Random(seed), cores);

    /// <summary>
    /// Number of the core that this thread runs on, 0 or more; on the machine itself a number of the thread's own,
    /// which keeps what it uses as well apart, and stays.
    /// </summary>
    public uint CurrentCore() => CurrentCore(_random is null ? ThreadIndex.Current : 0);

    /// <summary>The same, for the thread whose number is known.</summary>
    public uint CurrentCore(int threadIndex) => _random is null ? (uint)threadIndex : (uint)_random.Next(Cores);

    /// <summary>A random number from 1 to the largest but one.</summary>
    public uint NextSequence() => (uint)(_random ?? Random.Shared).NextInt64(1, uint.MaxValue);

    /// <summary>A new identifier.</summary>
    public Guid NewGuid()
    {
        if (_random is null)
        {
            return Guid.NewGuid();
        }

        Span<byte> bytes = stackalloc byte[16];
        _random.NextBytes(bytes);
        return new Guid(bytes);
    }
}
