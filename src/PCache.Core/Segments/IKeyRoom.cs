namespace PCache.Core.Segments;

/// <summary>
/// Room in the log for the keys of payload: each grant of room for payload comes with room for its key. Any thread.
/// </summary>
internal interface IKeyRoom
{
    /// <summary>Reserves room for one key; false: there is none now.</summary>
    bool TryReserve();

    /// <summary>
    /// Reserves room for some keys that will be needed before long; false, and nothing is reserved, where room is
    /// getting short.
    /// </summary>
    bool TryReserveAhead(int keys);

    /// <summary>
    /// A user that reserves ahead says how that comes back when room gets short: the call returns whether there was
    /// any, on any thread, and takes the heads' locks. One holder.
    /// </summary>
    void AddHolder(Func<bool> giveBack);

    /// <summary>Gives reserved room back.</summary>
    void Unreserve(int keys);
}
