namespace PCache.Core.Segments;

/// <summary>Room in the log for the keys of payload: whoever hands out room for payload hands out room for its key with it. Any thread.</summary>
internal interface IKeyRoom
{
    /// <summary>Reserves room for one key; false: there is none now.</summary>
    bool TryReserve();

    /// <summary>Reserves room for some keys that will be needed before long; false, and nothing is reserved, where room is getting short.</summary>
    bool TryReserveAhead(int keys);

    /// <summary>Gives reserved room back.</summary>
    void Unreserve(int keys);
}
