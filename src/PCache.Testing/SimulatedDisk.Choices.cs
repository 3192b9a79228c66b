namespace PCache.Testing;

/// <content>Power cuts that are chosen, not drawn; for explorers.</content>
public sealed partial class SimulatedDisk
{
    /// <summary>
    /// The open sectors, ascending, each with the number of its versions, the durable one not counted.
    /// </summary>
    internal (long Sector, int Versions)[] OpenSectorVersions
    {
        get
        {
            using (_gate.Hold())
            {
                return [.. _state.OpenSectorVersions];
            }
        }
    }

    /// <summary>Number of changes of length that a power cut may take back.</summary>
    internal int OpenLengths
    {
        get
        {
            using (_gate.Hold())
            {
                return _state.OpenLengths;
            }
        }
    }

    /// <summary>Another disk, as the power cut leaves this one that decides so (see <see cref="DiskState"/>).</summary>
    internal SimulatedDisk AfterPowerCut(ReadOnlySpan<int> versions, int lengths)
    {
        using (_gate.Hold())
        {
            return new SimulatedDisk(_state.AfterPowerCut(versions, lengths), Options);
        }
    }
}
