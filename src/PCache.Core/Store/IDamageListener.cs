namespace PCache.Core.Store;

/// <summary>
/// Is told of dirty data that doesn't fit its checksum. Any thread, maybe under a shard's lock: takes no lock itself.
/// </summary>
internal interface IDamageListener
{
    /// <summary>A reader met damage, and gets an exception.</summary>
    void DamageMet(long offset, long lengthBytes);

    /// <summary>Damage is known that wasn't known before.</summary>
    void DamageRecorded();
}
