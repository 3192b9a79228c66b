namespace PCache.Testing;

/// <content> Power cuts that are chosen, not drawn. Keeps true: the choices are those that the fault model allows;
/// their order depends on nothing but the disk's calls.
/// </content>
internal sealed partial class DiskState
{
    /// <summary>
    /// The open sectors, ascending, each with the number of its versions, the durable one not counted.
    /// </summary>
    public IEnumerable<(long Sector, int Versions)> OpenSectorVersions =>
        _unflushed.OrderBy(open => open.Key).Select(open => (open.Key, open.Value.Count));

    /// <summary>Number of changes of length that a power cut may take back.</summary>
    public int OpenLengths => _lengths.Count;

    /// <summary>A disk as a power cut leaves it that decides so.</summary>
    /// <param name="versions">For each open sector in ascending order: 0 for its durable content, 1 for the newest, 2
    /// for the one before, and so on.</param>
    /// <param name="lengths">How many changes of length are left.</param>
    public DiskState AfterPowerCut(ReadOnlySpan<int> versions, int lengths)
    {
        var left = new DiskState(Length);
        left._content.CopyFrom(_durable);
        for (int i = 0; i < lengths; i++)
        {
            left._content.SetLength(_lengths[i].Length);
        }

        int at = 0;
        foreach ((long sector, List<Version> written) in _unflushed.OrderBy(open => open.Key))
        {
            int version = versions[at++];
            if (version > 0)
            {
                Put(left._content, sector, written[^version], lengths);
            }
        }

        left._durable.CopyFrom(left._content);
        return left;
    }
}
