using System.Globalization;

namespace PCache.Tool.Kills;

/// <summary>What a writer process is told; both sides must agree on it.</summary>
internal sealed record WriterSettings
{
    public required string CachePath { get; init; }

    public required string BackingPath { get; init; }

    public required int Seed { get; init; }

    public required uint Sectors { get; init; }

    public uint Writers { get; init; } = 2;

    /// <summary>On average one write in this many is followed by a flush, and one is FUA.</summary>
    public uint FlushEvery { get; init; } = 8;

    /// <summary>Whether the region is opened power-safe (msync).</summary>
    public bool PowerSafe { get; init; }

    /// <summary>Whether it never flushes, and each write is to survive the kill once it has returned.</summary>
    public bool PersistWrites { get; init; }

    /// <summary>Whether the backing is throttled as in the demo.</summary>
    public bool Throttled { get; init; }

    public WritePlan CreatePlan() => new((ulong)Seed, Sectors, Writers, FlushEvery);

    /// <summary>The arguments of a hidden command that starts a writer.</summary>
    public IReadOnlyList<string> ToArguments(string command, uint firstId)
    {
        var arguments = new List<string>
        {
            command,
            CachePath,
            BackingPath,
            "--seed", Text((uint)Seed),
            "--sectors", Text(Sectors),
            "--writers", Text(Writers),
            "--flush-every", Text(FlushEvery),
            "--first-id", Text(firstId),
        };
        if (PowerSafe)
        {
            arguments.Add("--power-safe");
        }

        if (PersistWrites)
        {
            arguments.Add("--persist-writes");
        }

        if (Throttled)
        {
            arguments.Add("--throttled");
        }

        return arguments;
    }

    private static string Text(uint value) => value.ToString(CultureInfo.InvariantCulture);
}
