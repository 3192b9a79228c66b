using PCache.Core.Diagnostics;
using PCache.Core.Store;

namespace PCache.Core.Engine;

/// <summary>Counts and logs damage that readers meet, and has the state looked at.</summary>
internal sealed class DamageListener(DeviceDiagnostics diagnostics, StateMonitor monitor) : IDamageListener
{
    /// <inheritdoc/>
    public void DamageMet(long offset, long lengthBytes) => diagnostics.NoteDamage(offset, lengthBytes);

    /// <inheritdoc/>
    public void DamageRecorded() => monitor.LookSoon();
}
